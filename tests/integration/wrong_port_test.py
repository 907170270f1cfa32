"""waferctl at a port that speaks something else, or whose certificate is not for its name: the error says what answers and what to write."""

import re
import socket

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


def test_where_nothing_listens_and_where_something_says_nothing():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for scheme in ("http", "https", "grpc", "grpcs"):
            done = waferctl("models", "--server", f"{scheme}://127.0.0.1:{closed.getsockname()[1]}")
            assert done.returncode == 1 and "is waferd running?" in done.stderr, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "https"):
            done = waferctl("models", "--timeout", "0.5", "--server", f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
            assert done.returncode == 1 and "has said nothing for 0.5 s" in done.stderr, done.stderr
