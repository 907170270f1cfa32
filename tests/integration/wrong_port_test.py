"""waferctl at a port that speaks something else, or whose certificate is not for its name: the error says what answers and what to write."""

import contextlib
import http.server
import re
import socket
import threading

import pytest

from cloud import ONE_MODEL, ROOT, Waferd, Workers, layer_count, waferctl
from tls_test import Lab, TlsWaferd


def said(*words):
    done = waferctl("models", *words)
    assert done.returncode == 1 and "is waferd running" not in done.stderr, done.stderr
    return done.stderr


@pytest.fixture(name="lab", scope="module")
def make_lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("certs") / "lab")


@pytest.fixture(name="secure", scope="module")
def start_secure(tmp_path_factory, lab):
    with TlsWaferd(tmp_path_factory.mktemp("secure"), lab) as server:
        yield server


@pytest.fixture(name="plain", scope="module")
def start_plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "server.yaml"
    path.write_text(ONE_MODEL)
    with Waferd(path) as server:
        yield server


@pytest.mark.parametrize("asked", ("http", "https", "grpc", "grpcs"))
@pytest.mark.parametrize("right", ("http", "https", "grpc", "grpcs"))
def test_another_scheme_is_named(plain, secure, lab, asked, right):
    server = secure if right.endswith("s") else plain
    where = re.sub(".*/", "", server.grpc if right.startswith("grpc") else server.http)
    flags = lab.flags() if asked.endswith("s") else []
    if asked == right:
        assert waferctl("models", "--server", f"{asked}://{where}", *flags).returncode == 0
    elif (asked, right) == ("http", "https"):  # waferd says it itself
        assert "this port speaks TLS: write https:// in place of http://" in said("--server", f"{asked}://{where}")
    else:
        assert f"{asked}://{where}: what answers there speaks " in (error := said("--server", f"{asked}://{where}", *flags))
        assert f"write --server {right}://{where}\n" in error, error


@pytest.mark.parametrize("scheme", ("https", "grpcs"))
def test_a_certificate_for_another_name_or_of_an_unknown_authority(tmp_path, lab, scheme):
    other = Lab(tmp_path / "other")
    other.issue("frontend", "--host", "cloud.example", "--host", "10.0.0.1", "--host", "::2")
    with TlsWaferd(tmp_path, other) as server:
        where = f"{scheme}://127.0.0.1:{server.grpc_port if scheme == 'grpcs' else server.port}"
        error = said("--server", where, *other.flags())
        assert f"no TLS connection to {where}: its certificate is not for this name: it is for cloud.example, 10.0.0.1, ::2; " in error, error
        assert "--ca" not in error
        assert "--ca FILE names the authority that issued it" in said("--server", where, *lab.flags())
        assert "--ca FILE names the authority that issued it" in said("--server", where)


def test_a_workers_port():
    model = ROOT / "deploy/models/demo.gguf"
    with Workers(model, layer_count(model), 1) as workers:
        for address in workers.addresses:
            for scheme in ("http", "https", "grpc", "grpcs"):
                assert "speaks neither HTTP nor gRPC (a worker's port?)" in said("--server", f"{scheme}://{address}")


def test_a_workers_port_with_tls(lab):
    lab.issue("worker/w")
    model = ROOT / "deploy/models/demo.gguf"
    with Workers(model, layer_count(model), 1, ["--tls", str(lab.folder / "worker-w")]) as workers:
        for scheme in ("http", "https", "grpc", "grpcs"):
            error = said("--server", f"{scheme}://{workers.addresses[0]}", *(lab.flags() if scheme.endswith("s") else []))
            assert "a worker's port, which speaks TLS" in error and error.count("\n") == 1, error


@contextlib.contextmanager
def foreign_server(code):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = b"\n<!doctype html><html><title>Welcome</title></html>" * 9
            self.send_response(code)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("code", (200, 404, 502))
def test_a_web_page_is_not_printed_but_called_that(code):
    with foreign_server(code) as url:
        for words in (("models",), ("status",), ("complete", "hi"), ("bench", "run", "--num-prompts", "2"), ("tenants", "list"), ("top", "--json"),
                      ("complete", "hi", "--model", "m")):
            done = waferctl(*words, "--server", url)
            assert done.returncode == 1 and f"HTTP {code} and a web page came: that is not a waferd" in done.stderr, (words, done.stderr)
            assert "<" not in done.stderr + done.stdout, (words, done.stderr)


def test_a_registry_that_does_not_answer_is_named():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        done = waferctl("fleet", "--registry", f"etcd={address}")
        assert done.returncode == 1 and f"etcd does not answer at {address}: is it running?" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_where_nothing_listens_and_where_something_says_nothing():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for scheme in ("http", "https", "grpc", "grpcs"):
            done = waferctl("models", "--server", f"{scheme}://127.0.0.1:{closed.getsockname()[1]}")
            assert done.returncode == 1 and "is waferd running?" in done.stderr, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "https", "grpc", "grpcs"):
            for words in (("models",), ("complete", "hi", "--model", "m")):
                done = waferctl(*words, "--timeout", "1", "--server", f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
                assert done.returncode == 1 and "has said nothing for 1 s" in done.stderr and done.stderr.count("\n") == 1, done.stderr
