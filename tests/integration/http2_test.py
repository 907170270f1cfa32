"""What a peer of the gRPC port may not do (RFC 9113): each case ends its stream or connection with an error, and others are served.
Nor does a peer's text make lines of its own in the log."""

import json
import socket
import struct

import pytest

from cloud import Waferd, waferctl

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


OPEN = b"\x83\x86" + literal(b":path", b"/waferline.v1.InferenceService/ListModels") + literal(b":authority", b"a")
START = PREFACE + frame(SETTINGS, 0, 0)
# Section of RFC 9113 -> what the client sends.
CASES = {
    "3.4 no preface": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "4.2 frame over SETTINGS_MAX_FRAME_SIZE": START + frame(PING, 0, 0, b"p" * 200_000),
    "4.3 header block that does not decode": START + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
    "5.1.1 even stream": START + frame(HEADERS, END_HEADERS, 2, OPEN),
    "5.1.1 stream that is lower than one before": START + frame(HEADERS, END_HEADERS, 5, OPEN) + frame(HEADERS, END_HEADERS, 3, OPEN),
    "6.2 headers on stream 0": START + frame(HEADERS, END_HEADERS, 0, OPEN),
    "6.5 settings of a wrong length": START + frame(SETTINGS, 0, 0, b"abc"),
    "6.5 settings on a stream": START + frame(SETTINGS, 0, 1, struct.pack(">HI", 4, 65535)),
    "6.5.2 window over 2^31 - 1": START + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)),
    "6.7 ping of a wrong length": START + frame(PING, 0, 0, b"1234567"),
    "6.10 frame between headers and continuation": START + frame(HEADERS, 0, 1, OPEN) + frame(PING, 0, 0, b"12345678"),
}

# gRPC 1.51 drops these without a word, which harms only the peer that sent them.
DROPPED = {"5.1.1 even stream", "6.2 headers on stream 0"}


def frames(sock):
    """Kind, flags and payload of each frame, until the connection ends or 10 s bring nothing (socket.timeout)."""
    sock.settimeout(10)
    seen = b""
    while True:
        while len(seen) >= 9 and len(seen) >= 9 + (size := int.from_bytes(seen[:3], "big")):
            yield seen[3], seen[4], seen[9:9 + size]
            seen = seen[9 + size:]
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            return
        if not data:
            return
        seen += data


def ends_with_error(sock):
    """GOAWAY with an error, RST_STREAM, or the end of the connection."""
    try:
        for kind, _, payload in frames(sock):
            if kind == RST_STREAM or (kind == GOAWAY and payload[4:8] != bytes(4)):
                return True
        return True
    except socket.timeout:
        return False


@pytest.fixture(name="server", scope="module")
def one_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


@pytest.mark.parametrize("case", CASES)
def test_what_a_peer_may_not_do(server, case):
    host, port = server.grpc.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(CASES[case])
        if case not in DROPPED:
            assert ends_with_error(sock)
    done = waferctl("complete", "Once", "--server", server.doors["grpc"], "--max-tokens", "2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ("x-request-id", "authorization", "user-agent", "traceparent", "grpc-timeout", "message", "not UTF-8"))
def test_no_peer_writes_a_line_of_the_log(server, name):
    forged = b"a\nwaferd: forged"
    head = b"\x83\x86" + literal(b":path", b"/waferline.v1.InferenceService/Generate") + literal(b":authority", b"a")
    head += literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")
    if name not in ("message", "not UTF-8"):
        head += literal(name.encode(), forged)
    model = forged + b"\xff" * (name == "not UTF-8")
    message = b"\x12" + bytes([len(model)]) + model
    data = struct.pack(">BI", 0, len(message)) + message
    host, port = server.grpc.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(START + frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, END_STREAM, 1, data))
        for kind, flags, _ in frames(sock):
            if kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
                break
    assert "\nwaferd: forged" not in server.log()
    assert "libprotobuf" not in server.log()


def test_the_json_log_holds_what_grpc_logs():
    """With bytes that are not UTF-8 too, at most some lines a second."""
    with Waferd("deploy/config/demo.yaml", "--log", "json") as server:
        host, port = server.grpc.split(":")
        for _ in range(40):
            with socket.create_connection((host, int(port)), timeout=5) as sock:
                sock.sendall(START + frame(HEADERS, END_HEADERS | END_STREAM, 1, literal(b":method", b"a\xff\x1b[2K\nb")))
                ends_with_error(sock)
        lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
        of_grpc = [line for line in lines if line.get("who") == "gRPC"]
        assert "waferd: gRPC" not in server.log() and 0 < len(of_grpc) < 40
