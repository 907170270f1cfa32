"""The documents as a site: mkdocs (PyPI) builds it without a warning, so every link and anchor leads somewhere. Skipped where the package cannot be had;
WAFERLINE_MKDOCS names an installed `mkdocs`."""

import os
import subprocess
import sys

import pytest

from cloud import ROOT

VERSION = "1.6.1"


@pytest.fixture(name="tool", scope="module")
def install_tool(tmp_path_factory):
    if named := os.environ.get("WAFERLINE_MKDOCS"):
        return named
    folder = tmp_path_factory.mktemp("mkdocs")
    venv = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True)
    done = subprocess.run([folder / "bin/pip", "install", "-q", f"mkdocs=={VERSION}"], capture_output=True, text=True) if not venv.returncode else venv
    if venv.returncode or done.returncode:
        pytest.skip(f"mkdocs {VERSION} cannot be installed: {str(done.stderr).strip()[-300:]}")
    return folder / "bin/mkdocs"


def test_the_site_builds_without_a_warning(tool, tmp_path):
    done = subprocess.run([tool, "build", "--strict", "--site-dir", tmp_path / "site"], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in ("concepts", "grpc", "configuration", "tutorials/routers-and-faults", "tutorials/clients"):
        assert "<h1" in (tmp_path / "site" / page / "index.html").read_text(), page
