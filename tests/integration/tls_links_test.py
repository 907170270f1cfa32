"""Links between a server and its workers over TLS: the same texts, certificates that are replaced while streams run, and who is refused
by a worker, by name."""

import pathlib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from cloud import BIN, ROOT, SplitWorkers, Waferd, Workers, get, layer_count, post, stream, waferctl

MODEL = ROOT / "deploy/models/demo.gguf"
CONFIG = """models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""
BAKER = {"model": "demo", "prompt": "Once there was a baker who", "temperature": 0, "ignore_eos": True}


class Lab:
    """A certificate authority with a front end's and a worker's certificate; .flags go to workers."""

    def __init__(self, folder):
        self.folder = folder
        done = waferctl("certs", "init", folder)
        assert done.returncode == 0, done.stderr
        self.issue("frontend")
        self.issue("worker/w")
        self.flags = ["--tls", str(folder / "worker-w"), "--tls-reload", "1"]

    def issue(self, role, *flags):
        done = waferctl("certs", "issue", self.folder, role, *flags)
        assert done.returncode == 0, done.stderr
        return self.folder / role.replace("/", "-")


@pytest.fixture(name="lab")
def make_lab(tmp_path):
    return Lab(tmp_path / "lab")


def configure(folder, tokens, lab=None, config=CONFIG):
    path = folder / "cloud.yaml"
    tls = ""
    if lab is not None:
        own = lab.folder / "frontend"
        tls = f"tls: {{cert: {own}/tls.crt, key: {own}/tls.key, ca: {own}/ca.crt, reload_s: 1, links: true, doors: {{http: false, grpc: false}}}}\n"
    path.write_text(tls + config.format(tokens=tokens))
    return path


def texts(config):
    with Waferd(config) as server:
        return [post(server.http, "/v1/completions", {**BAKER, "prompt": prompt, "max_tokens": 60})["choices"][0]["text"]
                for prompt in (BAKER["prompt"], "The storm came over the harbour. " * 12)]


def wait_for(condition, what, seconds=60):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended, what()
        time.sleep(0.05)


def test_workers_over_tls_compute_the_same(tmp_path, lab):
    alone = texts(configure(tmp_path, f"{{from: shards, file: {MODEL}, shards: 1}}"))
    with Workers(MODEL, layer_count(MODEL), 2, lab.flags) as workers:
        assert texts(configure(tmp_path, workers.tokens, lab)) == alone
        # A server without TLS, and one of another authority.
        for other in (None, Lab(tmp_path / "other")):
            with pytest.raises(RuntimeError, match="TLS: unknown_issuer" if other else "did not become ready"):
                Waferd(configure(tmp_path, workers.tokens, other)).__enter__()
        wait_for(lambda: "TLS: plain_client" in workers.log(1), lambda: workers.log(1))
    with SplitWorkers(MODEL, layer_count(MODEL), 2, 2, more=lab.flags) as workers:
        assert texts(configure(tmp_path, workers.tokens, lab)) == alone


def test_certificates_change_each_second_and_no_stream_breaks(tmp_path, lab):
    with Workers(MODEL, layer_count(MODEL), 2, lab.flags) as workers, Waferd(configure(tmp_path, workers.tokens, lab)) as server:
        stop = threading.Event()
        failures, got = [], []

        def load():
            while not stop.is_set():
                try:
                    pieces = [event["choices"][0]["text"] for _, event in stream(server.http, "/v1/completions", {**BAKER, "max_tokens": 150})
                              if event["choices"]]
                    got.append("".join(pieces))
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(repr(error))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        for second in range(6):
            lab.issue("frontend")
            lab.issue("worker/w")
            if second in (2, 4):  # links are made again, with certificates that did not exist when the first ones were
                done = len(got)
                workers.kill(second // 2)
                workers.start(second // 2)
                wait_for(lambda done=done: len(got) > done + 3, lambda: workers.log(1) + server.log())
            time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures
        assert len(got) > 10 and len(set(got)) == 1


def test_links_live_on_when_their_certificate_ends(tmp_path, lab):
    valid_s = 20  # long enough for a loaded machine to start in
    lab.issue("worker/w", "--valid-s", str(valid_s))
    ends = time.monotonic() + valid_s
    with Workers(MODEL, layer_count(MODEL), 2, lab.flags) as workers, Waferd(configure(tmp_path, workers.tokens, lab)) as server:
        def text(tokens=60):
            return post(server.http, "/v1/completions", {**BAKER, "max_tokens": tokens})["choices"][0]["text"]
        want = text()
        time.sleep(max(ends + 1 - time.monotonic(), 0))
        assert text() == want
        # A new link needs a handshake, which is refused until there is a new certificate.
        workers.kill(2)
        workers.start(2)
        wait_for(lambda: "expired" in server.log() + workers.log(1) + workers.log(2) + get(server.http + "/health"), server.log)
        lab.issue("worker/w")
        assert text() == want


def refused(workers, reason, knock):
    """Whether what `knock` does is refused for this reason, by the first shard."""
    before = workers.log(1).count(f"TLS: {reason}")
    host, port = workers.addresses[1].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        try:
            knock(plain)
        except OSError:
            pass  # it is closed while we speak
    wait_for(lambda: workers.log(1).count(f"TLS: {reason}") > before, lambda: f"not refused for {reason}:\n{workers.log(1)}")
    time.sleep(0.3)  # a few lines a second are printed


def shake_hands(lab, own):
    def knock(plain):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(lab.folder / "ca.crt")
        context.set_alpn_protocols(["wl/2"])
        if own is not None:
            context.load_cert_chain(own / "tls.crt", own / "tls.key")
        with context.wrap_socket(plain) as secure:
            while secure.recv(100):
                pass
    return knock


def listen_to(first):
    """Says `first`, then waits to be closed."""
    def knock(plain):
        plain.sendall(first)
        while plain.recv(100):
            pass
    return knock


def test_who_is_refused_and_why(tmp_path, lab):
    strangers = Lab(tmp_path / "strangers")
    expired = lab.issue("worker/expired", "--valid-s", "1")
    with Workers(MODEL, layer_count(MODEL), 2, lab.flags) as workers:
        time.sleep(1.5)  # a certificate for a second ends
        refused(workers, "wrong_domain", shake_hands(lab, lab.issue("worker/elsewhere", "--trust-domain", "other.example")))
        refused(workers, "wrong_cloud", shake_hands(lab, lab.issue("worker/other-cloud", "--cloud", "other")))
        refused(workers, "expired", shake_hands(lab, expired))
        refused(workers, "wrong_role", shake_hands(lab, lab.issue("client/alice")))
        refused(workers, "unknown_issuer", shake_hands(lab, strangers.folder / "frontend"))
        refused(workers, "no_certificate", shake_hands(lab, None))
        refused(workers, "plain_client", listen_to(b"GET / HTTP/1.1\r\n\r\n"))
        for first in (b"", b"\x16\x03\x01\x02\x00\x01"):
            began = time.monotonic()
            refused(workers, "too_slow", listen_to(first))
            assert time.monotonic() - began > 2
        # None of them harmed those who may.
        with Waferd(configure(tmp_path, workers.tokens, lab)) as server:
            assert post(server.http, "/v1/completions", {**BAKER, "max_tokens": 5})["usage"]["completion_tokens"] == 5


def test_a_worker_without_tls_is_called_that(tmp_path, lab):
    with Workers(MODEL, layer_count(MODEL), 1) as workers:
        with pytest.raises(RuntimeError, match="TLS: plain_server: it speaks plain TCP"):
            Waferd(configure(tmp_path, workers.tokens, lab)).__enter__()
        wait_for(lambda: "it speaks TLS, and this side plain TCP" in workers.log(0) + workers.log(1), lambda: workers.log(1))


def test_a_server_without_tls_hears_that_its_workers_speak_it(tmp_path, lab):
    with Workers(MODEL, layer_count(MODEL), 2, lab.flags) as workers:
        with pytest.raises(RuntimeError, match="it speaks TLS, and this side plain TCP: a server needs tls: {links: true"):
            Waferd(configure(tmp_path, workers.tokens)).__enter__()


def test_the_first_of_each_kind_of_refusal_is_printed_whatever_else_is(lab):
    with Workers(MODEL, layer_count(MODEL), 1, lab.flags) as workers:
        host, port = workers.addresses[1].split(":")
        for _ in range(40):
            with socket.create_connection((host, int(port)), timeout=20) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while plain.recv(100):
                    pass
        refused(workers, "no_certificate", shake_hands(lab, None))
        assert "TLS: plain_client" in workers.log(1)
        time.sleep(1.1)  # the next line says how many were not printed
        refused(workers, "wrong_role", shake_hands(lab, lab.issue("client/alice")))
        assert "were left out" in workers.log(1)


def test_a_certificate_that_peers_would_refuse_is_named_at_the_start(tmp_path, lab):
    def start(own, *flags):
        return subprocess.run([BIN / "waferd", "--role", "shard", "--layers", "0:1", "--model", MODEL, "--tls", own, *flags],
                              capture_output=True, text=True, timeout=60, check=False)

    done = start(lab.issue("client/alice"))
    assert done.returncode == 1 and "client/alice; links need a certificate of role worker" in done.stderr
    done = start(lab.folder / "none")
    assert done.returncode == 1 and f"waferd: --tls: cannot read {lab.folder}/none: No such file or directory" in done.stderr, done.stderr
    done = start(lab.folder / "frontend")
    assert done.returncode == 1 and "links need a certificate of role worker" in done.stderr
    # One that has ended may be replaced any time: it is said, and the new one is used.
    lab.issue("worker/w", "--valid-s", "1")
    time.sleep(1.5)
    with Workers(MODEL, layer_count(MODEL), 1, lab.flags) as workers:
        wait_for(lambda: "tls.crt ended at 20" in workers.log(1), lambda: workers.log(1))
        lab.issue("worker/w")
        with Waferd(configure(tmp_path, workers.tokens, lab)) as server:
            assert post(server.http, "/v1/completions", {**BAKER, "max_tokens": 5})["usage"]["completion_tokens"] == 5


def test_a_worker_does_not_listen_beyond_loopback_without_tls_unless_forced():
    command = [pathlib.Path(BIN) / "waferd", "--role", "prefill", "--model", MODEL, "--listen", "0.0.0.0:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "--insecure" in done.stderr


def test_an_empty_folder_of_certificates_is_not_none():
    command = [pathlib.Path(BIN) / "waferd", "--role", "prefill", "--model", MODEL, "--listen", "127.0.0.1:0", "--tls", ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--tls is empty, must be a folder" in done.stderr
