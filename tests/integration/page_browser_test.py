"""The page in Chromium (tests/page/drive.mjs): every tab, faults and their repair, a chat, billing, keyboard, contrast, a phone; no error on the
console, and nothing that axe-core finds wrong. Needs Debian's chromium and npm's playwright-core and axe-core, which are fetched where the registry
can be reached."""

import os
import pathlib
import shutil
import subprocess

import pytest

from cloud import ROOT, Waferd

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PACKAGES = ["playwright-core@1.48.2", "axe-core@4.10.2"]


@pytest.fixture(name="folder", scope="module")
def install_driver(tmp_path_factory):
    if not pathlib.Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node or npm")
    folder = pathlib.Path(os.environ.get("WAFERLINE_PAGE_FOLDER") or tmp_path_factory.mktemp("page"))
    if not all((folder / "node_modules" / package.split("@")[0]).exists() for package in PACKAGES):
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, *PACKAGES], capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install the driver: {done.stderr.strip().splitlines()[-1]}")
    return folder


def test_every_tab_looks_as_it_did(folder, tmp_path):
    """A server that has served nothing, on a clock that stands, shows the same each time. tests/page/goldens.mjs --write makes new goldens."""
    config = tmp_path / "page.yaml"
    text = (ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/").replace("clock: {kind: real, scale: 1}", "clock: {kind: stepped}")
    config.write_text(text + "\nbilling: {prices: demo}\n")
    with Waferd(config, "--state-dir", str(tmp_path)) as server:
        done = subprocess.run(["node", ROOT / "tests/page/goldens.mjs", server.http, folder, ROOT / "tests/page/goldens"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("% differ") == 18


def test_the_page_does_what_a_person_asks_of_it(folder, tmp_path):
    config = tmp_path / "page.yaml"
    config.write_text((ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/") + "\nbilling: {prices: ./prices.yaml}\n")
    (tmp_path / "prices.yaml").write_text('currency: USD\nversions: [{effective: 2026-01-01T00:00:00Z, models: [{name: "*", input: "1", output: "2"}]}]\n')
    with Waferd(config, "--state-dir", str(tmp_path)) as server:
        done = subprocess.run(["node", ROOT / "tests/page/drive.mjs", server.http, folder], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def test_billing_without_a_database_says_how_to_start_it_with_one(folder):
    with Waferd("deploy/config/demo.yaml") as server:
        done = subprocess.run(["node", ROOT / "tests/page/no_database.mjs", server.http, folder], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
