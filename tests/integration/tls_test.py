"""TLS on every port of waferd: certificates that are replaced while streams run, roles, and what is refused, by name."""

import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from cloud import ONE_MODEL, Waferd, waferctl


def certs(*words):
    done = waferctl("certs", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Lab:
    """A folder of certificates: lab/ROLE/{tls.crt,tls.key,ca.crt}."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        certs("init", self.folder)
        for role in ("frontend", "operator", "client/alice", "worker/w0"):
            self.issue(role)

    def issue(self, role, *flags):
        certs("issue", self.folder, role, *flags)
        return self.folder / role.replace("/", "-")

    def context(self, role=None, folder=None):
        made = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        folder = folder or (self.folder / role.replace("/", "-") if role else None)
        for _ in range(100) if folder else ():
            try:
                made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
                break
            except ssl.SSLError as error:  # replaced between the two
                assert error.reason == "KEY_VALUES_MISMATCH"
        return made

    def flags(self, role=None):
        words = ["--ca", self.folder / "ca.crt"]
        if role:
            own = self.folder / role.replace("/", "-")
            words += ["--cert", own / "tls.crt", "--key", own / "tls.key"]
        return words


@pytest.fixture(name="lab", scope="module")
def make_lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("certs") / "lab")


class TlsWaferd(Waferd):
    """A waferd whose TLS is `lab`'s; .port is HTTP's."""

    def __init__(self, folder, lab, more="", listen="{}"):
        own = lab.folder / "frontend"
        path = folder / "server.yaml"
        path.write_text(f"listen: {listen}\ntls: {{cert: {own}/tls.crt, key: {own}/tls.key, ca: {own}/ca.crt, reload_s: 1, "
                        f"trust_domain: waferline.example{more}}}\n{ONE_MODEL}")
        super().__init__(path)
        self.lab = lab

    def __enter__(self):
        super().__enter__()
        self.port = int(self.http.rsplit(":", 1)[1])
        self.grpc_port = int(self.grpc.rsplit(":", 1)[1])
        return self

    def ask(self, path, context, port=None, method="GET", body=None):
        connection = http.client.HTTPSConnection("127.0.0.1", port or self.port, context=context, timeout=20)
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def refused(self):
        """{(door, reason): count}"""
        text = self.ask("/metrics", self.lab.context("operator"))[1]
        found = re.findall(r'^waferline_tls_refused_total\{door="(\w+)",reason="(\w+)"\} (\d+)', text, re.M)
        return {(door, reason): int(count) for door, reason, count in found}


def wait_for(condition, seconds=60):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended
        time.sleep(0.05)


def test_waferctl_asks_over_tls_on_both_ports(tmp_path, lab):
    with TlsWaferd(tmp_path, lab) as server:
        assert f"https://127.0.0.1:{server.port}" in server.log()
        for url in (f"https://127.0.0.1:{server.port}", f"grpcs://localhost:{server.grpc_port}"):
            for role in (None, "client/alice"):
                done = waferctl("complete", "a", "--max-tokens", 5, "--server", url, *lab.flags(role))
                assert done.returncode == 0, done.stderr
            done = waferctl("bench", "run", "--server", url, "--num-prompts", 64, "--concurrency", 32, "--json", *lab.flags())
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["completed"] == 64
            # The system's authorities are others.
            done = waferctl("models", "--server", url)
            assert done.returncode == 1 and "no answer" in done.stderr or "no TLS" in done.stderr
        done = waferctl("models", "--server", f"http://127.0.0.1:{server.port}", "--ca", lab.folder / "ca.crt")
        assert done.returncode == 2 and "--ca has no effect" in done.stderr


def test_certificates_change_each_second_and_no_stream_breaks(tmp_path, lab):
    with TlsWaferd(tmp_path, lab) as server:
        stop = threading.Event()
        failures, done, serials = [], [], set()

        def load():
            while not stop.is_set():
                try:
                    body = json.dumps({"model": "demo", "prompt": "a", "max_tokens": 200, "stream": True})
                    code, text = server.ask("/v1/completions", lab.context("client/alice"), method="POST", body=body)
                    assert code == 200 and text.rstrip().endswith("data: [DONE]")
                    done.append(1)
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(repr(error))

        def grpc_load():
            while not stop.is_set():
                ran = waferctl("complete", "a", "--max-tokens", 200, "--server", f"grpcs://localhost:{server.grpc_port}",
                               *lab.flags("client/alice"))
                done.append(1) if ran.returncode == 0 else failures.append(ran.stderr)

        threads = [threading.Thread(target=load) for _ in range(3)] + [threading.Thread(target=grpc_load)]
        for thread in threads:
            thread.start()
        # One that was begun before all changes lives on through them.
        held = http.client.HTTPSConnection("127.0.0.1", server.port, context=lab.context("client/alice"), timeout=20)
        for _ in range(6):
            lab.issue("frontend")
            lab.issue("client/alice")
            time.sleep(1)
            held.request("GET", "/v1/models")
            assert held.getresponse().read()
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                with lab.context().wrap_socket(plain, server_hostname="localhost") as secure:
                    serials.add(secure.getpeercert()["serialNumber"])
                    assert secure.version() == "TLSv1.3"
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures
        assert len(done) > 10 and len(serials) > 3
        assert server.refused() == {}
        expires = re.search(r"^waferline_tls_certificate_expires_seconds (\S+)", server.ask("/metrics", lab.context("operator"))[1],
                            re.M)
        assert abs(float(expires.group(1)) - time.time() - 90 * 86400) < 600


def test_who_is_refused_and_why(tmp_path, lab):
    strangers = Lab(tmp_path / "strangers")
    elsewhere = lab.issue("client/elsewhere", "--trust-domain", "other.example")
    other_cloud = lab.issue("client/other-cloud", "--cloud", "other")
    expired = lab.issue("client/expired", "--valid-s", "1")
    with TlsWaferd(tmp_path, lab, ", client_certificates: required") as server:
        time.sleep(1.5)
        cases = [(lab.context(folder=elsewhere), "wrong_domain"), (lab.context(folder=other_cloud), "wrong_cloud"),
                 (lab.context(folder=expired), "expired"), (lab.context("worker/w0"), "wrong_role"),
                 (lab.context(folder=strangers.folder / "client-alice"), "unknown_issuer"), (lab.context(), "no_certificate")]
        for context, reason in cases:
            with pytest.raises(OSError):
                server.ask("/v1/models", context)
            wait_for(lambda reason=reason: server.refused().get(("http", reason)) == 1)
            assert "http: refused 127.0.0.1:" in server.log() and f": {reason}: " in server.log()
            time.sleep(0.3)  # a few lines a second are printed
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
            plain.settimeout(60)
            try:
                while plain.recv(100):
                    pass
            except OSError:
                pass
        wait_for(lambda: server.refused().get(("http", "plain_client")) == 1)
        old = lab.context("client/alice")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):
            server.ask("/v1/models", old)
        wait_for(lambda: server.refused().get(("http", "old_version")) == 1)
        # gRPC: the same checks.
        for role, reason in (("client/elsewhere", "wrong_domain"), ("client/expired", "expired"), ("worker/w0", "wrong_role"),
                             (None, "no_certificate")):
            done = waferctl("models", "--server", f"grpcs://localhost:{server.grpc_port}", *lab.flags(role))
            assert done.returncode == 1, done.stdout
            assert server.refused().get(("grpc", reason), 0) >= 1, server.log()
        with socket.create_connection(("127.0.0.1", server.grpc_port)) as plain:
            plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            plain.settimeout(60)
            try:
                assert plain.recv(100) == b""
            except ConnectionResetError:
                pass
        wait_for(lambda: server.refused().get(("grpc", "plain_client")) == 1)
        assert server.ask("/v1/models", lab.context("client/alice"))[0] == 200


def closes_after(server, port, first=b""):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(first)
        slow.settimeout(60)
        try:
            while slow.recv(100):
                pass
        except ConnectionResetError:
            pass
    return time.monotonic() - began


def test_slow_handshakes_end_in_time_and_keep_no_one_out(tmp_path, lab):
    with TlsWaferd(tmp_path, lab) as server:
        for port in (server.port, server.grpc_port):
            assert 4 < closes_after(server, port) < 30
        assert 4 < closes_after(server, server.port, b"\x16\x03\x01\x02\x00\x01") < 30
        assert 4 < closes_after(server, server.grpc_port, b"\x16\x03\x01\x02\x00\x01") < 30
        seen = server.refused()
        assert seen[("http", "too_slow")] == 2 and seen[("grpc", "too_slow")] == 1
        for port, url in ((server.port, f"https://localhost:{server.port}"), (server.grpc_port, f"grpcs://localhost:{server.grpc_port}")):
            silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
            done = waferctl("models", "--server", url, *lab.flags(), timeout=60)
            assert done.returncode == 0, done.stderr
            for one in silent:
                one.close()
        assert server.refused()[("http", "too_many")] > 0 and server.refused()[("grpc", "too_many")] > 0


def test_an_operators_certificate_operates(tmp_path, lab):
    listen = "{admin_port: 0}"
    with TlsWaferd(tmp_path, lab, listen=listen) as server:
        admin = int(re.search(r"admin +https://127.0.0.1:(\d+)", server.log()).group(1))
        assert server.ask("/admin/server", lab.context("operator"), port=admin)[0] == 200
        with pytest.raises(OSError):
            server.ask("/admin/server", lab.context("client/alice"), port=admin)
        assert server.refused()[("operators", "wrong_role")] == 1
    (tmp_path / "keys").mkdir()
    keyed = TlsWaferd(tmp_path / "keys", lab)
    path = tmp_path / "keys" / "server.yaml"
    path.write_text("api_keys: [{key: secret, tenant: t}]\n" + path.read_text())
    path.chmod(0o600)
    with keyed as server:
        assert server.ask("/admin/server", lab.context("operator"))[0] == 200
        assert server.ask("/admin/server", lab.context("client/alice"))[0] == 401
        assert server.ask("/v1/models", lab.context("client/alice"))[0] == 401
        url = f"grpcs://localhost:{server.grpc_port}"
        assert waferctl("faults", "send", "unit_lost", "--model", "demo", "--server", url, *lab.flags("operator")).returncode == 0
        refused = waferctl("faults", "send", "unit_lost", "--model", "demo", "--server", url, *lab.flags("client/alice"))
        assert refused.returncode == 1


def test_certs_says_what_is_wrong(tmp_path):
    lab = Lab(tmp_path / "lab")
    listed = json.loads(certs("list", lab.folder, "--json"))
    assert {one["folder"] for one in listed} == {"frontend", "operator", "client-alice", "worker-w0"}
    assert (lab.folder / "frontend/tls.key").stat().st_mode & 0o077 == 0
    for words, code, said in ((["init", lab.folder], 1, "has an authority"), (["issue", lab.folder, "root"], 2, "its role is not known"),
                              (["issue", lab.folder, "operator", "--host", "a b"], 1, "neither a host name"),
                              (["issue", tmp_path / "none", "operator"], 1, "ca.key")):
        done = waferctl("certs", *words)
        assert done.returncode == code and said in done.stderr, done.stderr


def test_an_authoritys_key_that_is_encrypted_asks_for_nothing(tmp_path):
    lab = Lab(tmp_path / "lab")
    key = lab.folder / "ca.key"
    plain = key.read_bytes()
    subprocess.run(["openssl", "ec", "-aes256", "-passout", "pass:x", "-out", key], input=plain, check=True, capture_output=True)
    done = waferctl("certs", "issue", lab.folder, "frontend")
    assert done.returncode == 1 and f"{key} holds no PEM key that is not encrypted" in done.stderr, done.stderr


def test_an_authority_whose_key_is_anothers_issues_nothing(tmp_path):
    lab, other = Lab(tmp_path / "lab"), Lab(tmp_path / "other")
    before = (lab.folder / "frontend/tls.crt").read_bytes()
    (lab.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    done = waferctl("certs", "issue", lab.folder, "frontend")
    assert done.returncode == 1 and f"{lab.folder}/ca.key is not the key of {lab.folder}/ca.crt" in done.stderr, done.stderr
    assert (lab.folder / "frontend/tls.crt").read_bytes() == before


def test_fields_that_do_not_fit_are_refused(tmp_path):
    for fields, said in (("cert: a, key: b, trust_domain: c", "no effect without ca"), ("cert: a", "tls.key"),
                         ("cert: a, key: b, client_certificates: required", "needs ca"),
                         ("cert: a, key: b, ca: c, trust_domain: A_b", "lower-case")):
        path = tmp_path / "server.yaml"
        path.write_text(f"tls: {{{fields}}}\n{ONE_MODEL}")
        with pytest.raises(RuntimeError, match=said):
            Waferd(path).__enter__()
    path.write_text(f"tls: {{cert: a, key: b}}\n{ONE_MODEL}")
    with pytest.raises(RuntimeError, match=f"tls.cert: {tmp_path}/a"):
        Waferd(path).__enter__()


def test_files_of_no_use_are_named_and_waited_for_by_no_one(tmp_path, lab):
    pipe, big, text, locked = (tmp_path / name for name in ("pipe", "big", "text", "locked"))
    os.mkfifo(pipe)
    big.write_bytes(b"\n" * (2 << 20))
    text.write_text("no key")
    alice, other = lab.folder / "client-alice", lab.folder / "operator"
    subprocess.run(["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", alice / "tls.key", "-out", locked], check=True, capture_output=True)
    bad = [(pipe, "is a pipe, not a regular file"), (tmp_path, "is a folder, not a regular file"), (big, "is larger than 1048576 bytes"),
           (text, "in PEM form"), (tmp_path / "none", "No such file"), (locked, "in PEM form")]
    for url in ("https://localhost:1", "grpcs://localhost:1"):
        for flag in ("ca", "cert", "key"):
            for path, said in bad[:5] if flag != "key" else [*bad, (other / "tls.key", "key values mismatch")]:
                files = {"ca": lab.folder / "ca.crt", "cert": alice / "tls.crt", "key": alice / "tls.key", flag: path}
                done = waferctl("models", "--server", url, *(word for name, file in files.items() for word in (f"--{name}", file)))
                assert done.returncode == 1 and f"--{flag}" in done.stderr and said in done.stderr and str(path) in done.stderr, done.stderr
    for flag in ("ca", "cert", "key"):  # the registry's
        for path, said in bad[:5] if flag != "key" else [*bad, (other / "tls.key", "key values mismatch")]:
            files = {"ca": lab.folder / "ca.crt", "cert": alice / "tls.crt", "key": alice / "tls.key", flag: path}
            done = waferctl("fleet", "--registry", "etcd=https://127.0.0.1:1", *(word for name, file in files.items() for word in (f"--{name}", file)))
            assert done.returncode == 1 and f"registry: {flag}: {path}" in done.stderr and said in done.stderr, done.stderr
    for path, said in ((pipe, "is a pipe, not a regular file"), (text, "in PEM form")):
        done = waferctl("fleet", "--registry", "etcd=https://127.0.0.1:1", "--ca", path)
        assert done.returncode == 1 and str(path) in done.stderr and said in done.stderr, done.stderr
    for field in ("cert", "key", "ca"):
        for path, said in bad[:5] if field != "key" else bad:
            files = {"cert": alice / "tls.crt", "key": alice / "tls.key", "ca": lab.folder / "ca.crt", field: path}
            config = tmp_path / "server.yaml"
            config.write_text(f"tls: {{{', '.join(f'{name}: {file}' for name, file in files.items())}}}\n{ONE_MODEL}")
            with pytest.raises(RuntimeError, match=f"tls.{field}: .*{said}"):
                Waferd(config).__enter__()


def test_the_ready_line_has_what_clients_need_and_plain_http_hears_of_tls(tmp_path, lab):
    with TlsWaferd(tmp_path, lab) as server:
        own = lab.folder / "frontend/ca.crt"
        command = re.search(r"waferctl \w+ (?:\".*\" )?(--server .*)", server.log())[1].split()
        assert command == ["--server", f"https://127.0.0.1:{server.port}", "--ca", str(own)]
        assert f"curl -N --cacert {own} https://127.0.0.1:{server.port}/v1/" in server.log()
        assert waferctl("models", *command).returncode == 0
        # The server's own certificate can be trusted as it is, without who issued it.
        assert waferctl("models", *command[:3], lab.folder / "frontend/tls.crt").returncode == 0
        done = waferctl("models", "--server", f"http://127.0.0.1:{server.port}")
        assert done.returncode == 1 and "this port speaks TLS: write https:// in place of http://" in done.stderr, done.stderr
        plain = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        plain.request("POST", "/v1/completions", b"{}", {"content-type": "application/json"})
        reply = plain.getresponse()
        assert reply.status == 400 and "speaks TLS" in json.load(reply)["error"]["message"]
        assert server.refused()
