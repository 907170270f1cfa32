"""examples/sweeps: whichever way a sweep is spread over machines, its parts are merged into the bytes of one run."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from cloud import BIN, ROOT, waferctl
from helm_test import VALIDATE, from_pypi

FOLDER = ROOT / "examples/sweeps"
COUNT = 60  # requests of a variant, in place of the examples' 2000
SIMULATED = {"WAFERCTL": str(BIN / "waferctl"), "COUNT": str(COUNT)}


@pytest.fixture(name="whole", scope="module")
def one_run():
    script = (FOLDER / "sweep.sh").read_text().replace("\\\n", " ")
    words = re.search(r"(sim sweep .*?) --part", script).group(1)
    words = re.sub(r'"\$\{\w+:-([^}]*)\}"', r"\1", words).replace("2000", str(COUNT)).split()
    done = waferctl(*words, "--json")
    assert done.returncode == 0, done.stderr
    return done.stdout


def merged(folder, parts):
    files = sorted(folder.glob("part-*.json"))
    assert len(files) == parts
    return waferctl("sim", "merge", *files, "--json").stdout


def run(command, environment):
    done = subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("tool", ("parallel", "xargs"))
def test_processes_of_a_machine(tool, whole, tmp_path):
    if tool == "parallel" and shutil.which(tool) is None:
        pytest.skip("GNU parallel is not installed")
    path = os.environ["PATH"]
    if tool == "xargs":  # hides the other one
        (tmp_path / "bin").mkdir()
        for name in ("bash", "nproc", "seq", "xargs", "mkdir", "dirname", "env"):
            (tmp_path / "bin" / name).symlink_to(shutil.which(name))
        path = str(tmp_path / "bin")
    folder = tmp_path / "parts"
    table = run([shutil.which("bash"), FOLDER / "parallel.sh", folder, "5"], {**SIMULATED, "PATH": path})
    assert merged(folder, 5) == whole
    assert "models.0.prefill.workers" in table


def test_a_slurm_array(whole, tmp_path):
    for task in range(3):
        run([FOLDER / "slurm.sh", tmp_path],
            {**SIMULATED, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_SUBMIT_DIR": str(ROOT)})
    assert merged(tmp_path, 3) == whole


def test_an_indexed_job(whole, tmp_path):
    job = yaml.safe_load((FOLDER / "indexed-job.yaml").read_text())["spec"]
    container = job["template"]["spec"]["containers"][0]
    assert job["completionMode"] == "Indexed" and job["completions"] == 8
    script = container["args"][0].replace("exec waferctl", f"exec {BIN}/waferctl").replace("/usr/share/waferline/config", "deploy/config")
    script = script.replace("--count 2000", f"--count {COUNT}").replace("/parts/", f"{tmp_path}/")
    for index in range(job["completions"]):
        run([*container["command"], script], {"JOB_COMPLETION_INDEX": str(index)})
    assert merged(tmp_path, 8) == whole


def test_the_indexed_job_is_a_valid_object():
    validate = from_pypi("kubernetes-validate", VALIDATE)
    job = yaml.safe_load((FOLDER / "indexed-job.yaml").read_text())
    assert validate([job]) == [None]
    job["spec"]["completionModus"] = "Indexed"
    assert len([fault for fault in validate([job]) if fault]) == 1
