"""waferctl and a server that wants to write to its user's terminal."""

import http.server
import json
import os
import pty
import subprocess
import threading

import pytest

from cloud import BIN

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\r"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, json.dumps({"data": [{"id": "m" + ESCAPES, "owned_by": ESCAPES}]}, ensure_ascii=False))

    def do_POST(self):
        if b"refuse" in self.rfile.read(int(self.headers["content-length"])):
            return self.answer(400, json.dumps({"error": {"message": "no" + ESCAPES}}, ensure_ascii=False))
        chunk = json.dumps({"choices": [{"text": "yes" + ESCAPES, "finish_reason": "stop"}]}, ensure_ascii=False)
        self.answer(200, f"data: {chunk}\n\ndata: [DONE]\n\n", "text/event-stream")

    def answer(self, code, text, kind="application/json"):
        body = text.encode()
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture(name="url", scope="module")
def start_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def on_a_terminal(*words):
    """What a terminal would get of both stdout and stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([str(BIN / "waferctl"), *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        process.wait(20)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")  # the terminal's own line ends


@pytest.mark.parametrize("words, part", ((("models",), "m\ufffd"), (("complete", "x", "--model", "m"), "yes\ufffd"),
                                         (("complete", "refuse", "--model", "m"), "no\ufffd"),
                                         (("chat", "--message", "refuse", "--model", "m"), "no\ufffd")))
def test_no_escape_sequence_of_a_server_reaches_the_terminal(url, words, part):
    shown = on_a_terminal(*words, "--server", url)
    assert part in shown
    assert not any(control in shown for control in "\x1b\x07\x9b\r")


def test_a_pipe_gets_the_text_as_it_is(url):
    done = subprocess.run([str(BIN / "waferctl"), "complete", "x", "--model", "m", "--server", url], capture_output=True, timeout=20)
    assert done.stdout == ("yes" + ESCAPES + "\n").encode()
