"""docs/grpc.md is what docs/grpc_reference.py writes from the proto files, and names every call that a server's descriptors have."""

import re
import subprocess
import sys

from cloud import ROOT


def test_the_reference_is_written_from_the_comments():
    done = subprocess.run([sys.executable, ROOT / "docs/grpc_reference.py", "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_call_and_message_is_in_it():
    page = (ROOT / "docs/grpc.md").read_text()
    for path in sorted((ROOT / "proto/waferline/v1").glob("*.proto")):
        text = path.read_text()
        calls = re.findall(r"^  rpc (\w+)\(", text, re.M)
        assert calls and all(f"`{call}(" in page for call in calls)
        for name in re.findall(r"^ *(?:message|enum) (\w+)", text, re.M):
            assert f"\n### {name}\n" in page, name
        for field in re.findall(r"^ *(?:optional |repeated )?[\w.<>, ]+ (\w+) = \d+;", text, re.M):
            assert f"| `{field}` |" in page, field
