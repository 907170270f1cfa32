"""The commands that docs/plan.md shows, each run as it is written."""

import re
import shlex
import subprocess

from cloud import BIN, ROOT

TEXT = (ROOT / "docs" / "plan.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^    (waferctl .*)$", TEXT, flags=re.M)]


def test_every_command_of_the_planners_document_works(tmp_path):
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "my-plan.yaml").write_text(re.search(r"```yaml\n(.*?)```", TEXT, flags=re.S)[1])
    assert len(COMMANDS) >= 12
    for command in COMMANDS:
        done = subprocess.run([str(BIN.resolve() / "waferctl"), *command[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout, command
    for page, pictures in (("search.html", 3), ("sweep.html", 3), ("plan.html", 12)):
        text = (tmp_path / page).read_text()
        assert text.count("<svg") == pictures
        assert "src=" not in text and "href=" not in text
    assert text.index("What is assumed") < text.index("<svg")
