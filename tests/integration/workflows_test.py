"""The workflows of .github are YAML with steps, and what they call is there: targets of the Makefile, files, flags of waferd."""

import re
import subprocess

import pytest
import yaml

from cloud import BIN, ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_runs_is_there(path):
    workflow = yaml.safe_load(path.read_text())
    assert {"name", "permissions", "jobs"} <= set(workflow) and True in workflow  # "on" is a boolean of YAML 1.1
    targets = set(re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(), re.M))
    targets = {one for names in targets for one in names.split()}
    help_text = subprocess.run([BIN / "waferd", "--help"], capture_output=True, text=True, timeout=20).stdout
    commands = []
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 180 and all(("run" in step) != ("uses" in step) for step in job["steps"])
        commands += [step["run"] for step in job["steps"] if "run" in step]
        needs = job.get("needs")
        assert needs is None or needs in workflow["jobs"]
    for command in commands:
        assert subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0, command
        for target in re.findall(r"^make (\w+)$", command, re.M):
            assert target in targets, target
        for flag in re.findall(r"waferd .*?(--[\w-]+)", command):
            assert flag in help_text, flag


def test_a_release_is_the_version_that_the_build_says():
    """As the workflow looks for it."""
    text = (ROOT / "CMakeLists.txt").read_text()
    version = re.search(r"VERSION (\d+\.\d+\.\d+)", text)[1]
    assert f"waferd {version}" in subprocess.run([BIN / "waferd", "--version"], capture_output=True, text=True, timeout=20).stdout
