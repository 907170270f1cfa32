"""examples/results.ipynb, executed in a virtual environment with nbclient (PyPI); skipped where that cannot be had."""

import json
import os
import subprocess

import pytest

from cloud import BIN, ROOT
from programs import installed

PACKAGES = ["nbclient==0.10.2", "ipykernel==6.29.5", "matplotlib==3.9.4"]
EXECUTE = """
import sys, nbformat, nbclient
book = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(book, sys.argv[3])
"""


@pytest.fixture(name="python", scope="module")
def install_packages():
    return installed("notebook", *PACKAGES) / "bin/python"


def test_every_cell_runs_and_each_chart_is_drawn(python, tmp_path):
    book = ROOT / "examples/results.ipynb"
    source = json.loads(book.read_text())
    assert all(not cell["outputs"] for cell in source["cells"] if cell["cell_type"] == "code"), "kept without its outputs"
    env = {**os.environ, "WAFERLINE_BIN_DIR": str(BIN.resolve()), "MPLCONFIGDIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run([python, "-c", EXECUTE, book, ROOT / "examples", tmp_path / "done.ipynb"], capture_output=True, text=True, timeout=500, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    outputs = [output for cell in json.loads((tmp_path / "done.ipynb").read_text())["cells"] for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert not [output for output in outputs if output["output_type"] in ("error", "stream")], outputs
