"""waferctl chat on a pseudo-terminal: editing keys, history, pastes, its commands; and a context that forgets the oldest turns."""

import concurrent.futures
import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from cloud import BIN, ROOT, Waferd, waferctl

PATIENCE_SECONDS = 60


@pytest.fixture(name="server", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


class Chat:
    """A chat on a terminal of its own, in `folder`, which also keeps its history."""

    def __init__(self, server, folder, *flags):
        self.seen, self.screen = 0, ""
        env = {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(folder), "LC_ALL": "C"}
        words = [str(BIN.resolve() / "waferctl"), "chat", "--server", server.http, *flags]
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(folder)
                os.execve(words[0], words, env)
            finally:
                os._exit(127)

    def __enter__(self):
        self.wait_for("> ")
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            print(self.screen)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except OSError:
            pass
        os.close(self.file)
        return False

    def wait_for(self, text):
        """Until it is on the screen, after what was awaited before."""
        ended = time.monotonic() + PATIENCE_SECONDS
        while (at := self.screen.find(text, self.seen)) < 0:
            assert time.monotonic() < ended, f"no {text!r} in {self.screen[self.seen:]!r}"
            if select.select([self.file], [], [], 0.2)[0]:
                self.screen += os.read(self.file, 65536).decode(errors="replace")
        self.seen = at + len(text)

    def keys(self, text):
        os.write(self.file, text.encode())

    def say(self, text):
        """Types a message and waits for the end of its answer and the next prompt."""
        self.keys(text + "\r")
        self.wait_for("of emulated time")
        self.wait_for("> ")

    def saved(self, name):
        """What was said: the conversation that /save writes."""
        self.keys(f"/save {name}\r")
        self.wait_for(f"wrote {name}")
        self.wait_for("> ")

    def end(self):
        self.keys("\x04")
        ended = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ended:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = 2 ** 22 + 1  # none
                return os.waitstatus_to_exitcode(status)
            if select.select([self.file], [], [], 0.1)[0]:
                try:
                    self.screen += os.read(self.file, 65536).decode(errors="replace")
                except OSError:
                    pass
        raise AssertionError(f"Ctrl-D does not end it: {self.screen[self.seen:]!r}")


def questions(path):
    return [one["content"] for one in json.loads(path.read_text())["messages"] if one["role"] == "user"]


def test_keys_edit_the_line(server, tmp_path):
    with Chat(server, tmp_path, "--max-tokens", "4") as chat:
        chat.say("world\x01hello \x05!\x7f.")                 # to the begin, to the end, backspace
        chat.say("ab\x1b[D\x1b[DX\x1b[C\x1b[CZ")              # arrows
        chat.say("one two\x17three")                          # the word before is deleted
        chat.say("Grüße, 東京\x7f都")                          # letters of several bytes
        chat.keys("thrown away\x03")
        chat.wait_for("Ctrl-D ends the conversation")
        chat.wait_for("> ")
        chat.saved("kept.json")
        assert chat.end() == 0
    assert questions(tmp_path / "kept.json") == ["hello world.", "XabZ", "one three", "Grüße, 東都"]


def test_a_paste_is_one_message(server, tmp_path):
    with Chat(server, tmp_path, "--max-tokens", "4") as chat:
        assert "\x1b[?2004h" in chat.screen
        chat.say("look: \x1b[200~def f():\r\tpass\r/exit\r\x1b[201~ what?")
        chat.say("first\x1b\rsecond")                         # Alt-Enter
        chat.say("\x1b[200~in /tmp/café\x1b[201~")
        chat.say("\x1b[200~\x1b[201~nothing \x1b[200~x\x1b[201~")
        chat.saved("kept.json")
        assert chat.end() == 0
    assert questions(tmp_path / "kept.json") == ["look: def f():\n\tpass\n/exit what?", "first\nsecond", "in /tmp/café", "nothing x"]


def test_history_outlives_the_chat(server, tmp_path):
    with Chat(server, tmp_path, "--max-tokens", "4") as chat:
        chat.say("the first question")
        chat.say("the second one")
        assert chat.end() == 0
    kept = tmp_path / "waferline/chat-history"
    assert kept.stat().st_mode & 0o777 == 0o600 and "question" in kept.read_text()
    with Chat(server, tmp_path, "--max-tokens", "4") as chat:
        chat.say("\x1b[A\x1b[A, again")                       # up, up
        chat.say("\x12second\x1b\x05!")                        # Ctrl-R, end of the search, end of the line
        chat.saved("kept.json")
        chat.end()
    assert questions(tmp_path / "kept.json") == ["the first question, again", "the second one!"]
    before = kept.read_text()
    with Chat(server, tmp_path, "--max-tokens", "4", "--history", "") as chat:
        chat.say("a secret")
        chat.end()
    assert kept.read_text() == before
    (tmp_path / "other").write_text("no history")
    done = subprocess.run(["script", "-qec", f"{BIN.resolve()}/waferctl chat --history {tmp_path}/other --server {server.http}", "/dev/null"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 1 and "is not a history of lines" in done.stdout


def test_commands(server, tmp_path):
    with Chat(server, tmp_path, "--max-tokens", "4") as chat:
        chat.say("forgotten")
        chat.keys("/system Be brief.\r")
        chat.wait_for("> ")
        chat.say("kept")
        chat.keys("/model\r")
        chat.wait_for("* waferline-demo")
        chat.wait_for("  llama-3.1-8b")
        chat.keys("/model none\r")
        chat.wait_for("the server has no model 'none'; it has waferline-demo, ")
        chat.keys("/model llama-3.1-8b\r")
        chat.wait_for("> ")
        chat.say("and this")
        chat.saved("kept.json")
        chat.keys("/save kept.json\r")
        chat.wait_for("kept.json exists; name another file")
        chat.keys("/save nowhere/x.json\r")
        chat.wait_for("cannot write nowhere/x.json: No such file")
        chat.keys("/reset\r")
        chat.wait_for("> ")
        chat.saved("empty.json")
        chat.keys("/nonsense\r")
        chat.wait_for("/model [NAME] lists the models")
        chat.keys("/exit\r")
        assert chat.end() == 0
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["model"] == "llama-3.1-8b"
    assert [(one["role"], one["content"]) for one in kept["messages"] if one["role"] != "assistant"] == [
        ("system", "Be brief."), ("user", "kept"), ("user", "and this")]
    assert [one["role"] for one in json.loads((tmp_path / "empty.json").read_text())["messages"]] == ["system"]


def test_ctrl_c_ends_an_answer_and_keeps_what_came(tmp_path):
    """On an emulated machine a thousandth as fast, an answer takes long enough to be ended."""
    config = tmp_path / "slow.yaml"
    config.write_text((ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/").replace("scale: 1}", "scale: 0.01}"))
    with Waferd(config) as server, Chat(server, tmp_path, "--model", "llama-3.1-8b", "--max-tokens", "8000") as chat:
        chat.keys("go on\r")
        chat.wait_for("\n")
        chat.wait_for("a")
        chat.keys("\x03")
        chat.wait_for("[interrupted]")
        chat.wait_for("> ")
        chat.saved("kept.json")
    assert [one["role"] for one in json.loads((tmp_path / "kept.json").read_text())["messages"]] == ["user", "assistant"]


def test_what_is_typed_while_an_answer_comes_is_kept_and_not_in_it(tmp_path):
    config = tmp_path / "slow.yaml"
    config.write_text((ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/").replace("scale: 1}", "scale: 0.01}"))
    with Waferd(config) as server, Chat(server, tmp_path, "--model", "llama-3.1-8b", "--max-tokens", "64") as chat:
        chat.keys("go on\r")
        chat.wait_for("\n")
        chat.wait_for("a")  # the answer has begun
        begun = chat.seen
        chat.keys("typed ahead\r")
        chat.wait_for("of emulated time")
        assert "typed" not in chat.screen[begun:chat.seen]
        chat.wait_for("of emulated time")
        chat.wait_for("> ")
        chat.saved("kept.json")
    assert questions(tmp_path / "kept.json") == ["go on", "typed ahead"]


@pytest.mark.parametrize("lines", [b"", b"hello\n" * 20000, bytes(5 << 20)], ids=["none", "many", "endless"])
def test_ctrl_c_ends_a_chat_that_reads_a_pipe(server, lines):
    with subprocess.Popen([BIN / "waferctl", "chat", "--server", server.http], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=False) as chat, concurrent.futures.ThreadPoolExecutor(1) as pool:
        def give():
            with contextlib.suppress(BrokenPipeError):
                chat.stdin.write(lines)
                chat.stdin.flush()

        pool.submit(give)
        time.sleep(1)
        chat.send_signal(signal.SIGINT)
        assert chat.wait(20) == 1
        assert (b"at most 4 MiB" if 0 in lines else b"interrupted") in chat.stderr.read()
        with contextlib.suppress(BrokenPipeError):
            chat.stdin.close()


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_a_full_context_forgets_the_oldest_turns(server, door):
    """The demo's context is small: forty turns do not fit, and each is answered with room to spare."""
    lines = "".join(f"Tell me story number {number} of the village, with all its people and their names.\n" for number in range(40))
    done = waferctl("chat", "--server", server.doors[door], "--max-tokens", "48", "--json", stdin=lines)
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)
    numbers = [int(re.search(r"number (\d+)", one["content"])[1]) for one in kept["messages"] if one["role"] == "user"]
    assert numbers[-1] == 39 and numbers[0] > 0 and numbers == list(range(numbers[0], 40))
    models = {one["id"]: one for one in json.loads(waferctl("models", "--json", "--server", server.doors[door]).stdout)["models"]}
    assert kept["usage"]["total_tokens"] <= models["waferline-demo"]["context_length"]
    too_long = waferctl("chat", "--server", server.doors[door], "--message", "word " * 20000)
    assert too_long.returncode == 1 and "context" in too_long.stderr
