"""The documents as a site: mkdocs (PyPI) builds it without a warning, so every link and anchor leads somewhere. Skipped where the package cannot be had."""

import subprocess

import pytest

from cloud import ROOT
from programs import installed

VERSION = "1.6.1"


@pytest.fixture(name="tool", scope="module")
def install_tool():
    return installed("mkdocs", f"mkdocs=={VERSION}") / "bin/mkdocs"


def test_the_site_builds_without_a_warning(tool, tmp_path):
    done = subprocess.run([tool, "build", "--strict", "--site-dir", tmp_path / "site"], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in ("concepts", "grpc", "configuration", "tutorials/routers-and-faults", "tutorials/clients"):
        assert "<h1" in (tmp_path / "site" / page / "index.html").read_text(), page
    home = (tmp_path / "site/index.html").read_text()
    assert "<h1" in home and 'href="concepts/"' in home
