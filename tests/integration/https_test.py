"""waferctl with servers behind TLS, and with the environment that OpenAI's clients read."""

import http.server
import json
import ssl
import subprocess
import threading

import pytest

from cloud import waferctl

SEEN = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        SEEN.append(self.headers.get("authorization"))
        self.answer(json.dumps({"data": [{"id": "secure-model"}]}))

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        chunks = "".join(f'data: {{"choices": [{{"text": "w", "token_ids": [{i}]}}]}}\n\n' for i in range(5))
        end = '{"choices": [{"text": "", "finish_reason": "length"}], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}'
        self.answer(f"{chunks}data: {end}\n\ndata: [DONE]\n\n", "text/event-stream")

    def answer(self, text, kind="application/json"):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture(name="secure", scope="module")
def start_server(tmp_path_factory):
    """(URL, certificate file) of a server whose certificate is for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", certificate
    server.shutdown()


def test_a_bench_over_https(secure):
    url, certificate = secure
    done = waferctl("bench", "run", "--server", url, "--num-prompts", "20", "--concurrency", "4", "--json",
                    env={"SSL_CERT_FILE": str(certificate)})
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["completed"], report["failed"], report["total_output_tokens"]) == (20, 0, 100)


def test_a_certificate_that_is_not_trusted_or_for_another_host_is_refused(secure):
    url, certificate = secure
    for server, env in ((url, {}), (url.replace("localhost", "127.0.0.1"), {"SSL_CERT_FILE": str(certificate)})):
        refused = waferctl("models", "--server", server, env=env)
        assert refused.returncode == 1
        assert "no TLS connection" in refused.stderr and "certificate" in refused.stderr


def test_the_environment_of_openai_clients_names_server_and_key(secure):
    url, certificate = secure
    env = {"SSL_CERT_FILE": str(certificate), "OPENAI_BASE_URL": url + "/v1", "OPENAI_API_KEY": "sk-1"}
    listed = waferctl("models", env=env)
    assert listed.returncode == 0, listed.stderr
    assert "secure-model" in listed.stdout
    assert SEEN[-1] == "Bearer sk-1"
    assert waferctl("models", env={**env, "WAFERLINE_API_KEY": "own"}).returncode == 0
    assert SEEN[-1] == "Bearer own"
    # Nothing was said about a server: the key is not for it.
    assert "sk-1" not in waferctl("models", "--help", env=env).stdout
