"""schemathesis (PyPI) over /openapi.json: requests made from the description, valid and not, and what answers them is what it says: no 5xx, no
status, type or body that it does not list. Skipped where the package cannot be had."""

import re
import subprocess

import pytest

from cloud import ROOT, Waferd
from programs import installed

VERSION = "4.32.5"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# The first ends the server; what faults do is what faults_test sends. A stream without an end is not an answer to compare.
LEFT_OUT = ("/admin/drain", "/admin/faults", "/admin/live")


@pytest.fixture(name="tool", scope="module")
def install_tool():
    return installed("schemathesis", f"schemathesis=={VERSION}") / "bin/st"


@pytest.mark.parametrize("keeps_records", [False, True], ids=["without a database", "with a database"])
def test_what_is_answered_is_what_is_described(tool, tmp_path, keeps_records):
    config = tmp_path / "server.yaml"
    prices = "\nbilling: {prices: demo}\n" if keeps_records else ""
    config.write_text((ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/") + prices)
    with Waferd(config, *(["--state-dir", str(tmp_path)] if keeps_records else [])) as server:
        words = [str(tool), "run", server.http + "/openapi.json", "-c", CHECKS, "--phases", "examples,coverage,fuzzing", "-n", "8", "--continue-on-failure",
                 "--generation-deterministic", "--request-timeout", "60", "--no-color"]
        for path in LEFT_OUT:
            words += ["--exclude-path", path]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 300, done.stdout[-2000:]
