"""Every file that a configuration names is looked at by --check-config as the server would: that it is there, its kind, what it says."""

import os
import re
import subprocess
import time

from cloud import BIN, ROOT, waferctl
from config_test import DEMO, check


def test_every_file_that_a_configuration_names_is_looked_at(tmp_path):
    """Of each field: one that is not there, one of another kind, one that does not parse. `taken_file` and `store` are made if not there."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("no such thing")
    for lab in ("a", "b"):
        assert waferctl("certs", "init", tmp_path / lab).returncode == 0
    assert waferctl("certs", "issue", tmp_path / "a", "frontend").returncode == waferctl("certs", "issue", tmp_path / "a", "operator").returncode == 0
    own = tmp_path / "a/frontend"
    tls = {"cert": own / "tls.crt", "key": own / "tls.key", "ca": own / "ca.crt"}

    def mapping(files):
        return ", ".join(f"{name}: {file}" for name, file in files.items())

    def texts():
        for name, file in tls.items():
            yield f"tls.{name}", file, lambda path, name=name: f"tls: {{{mapping({**tls, name: path})}}}\n"
            registry = "cell: {name: c, registry: {kind: etcd, endpoints: [{address: 'https://h:1'}], "
            yield f"cell.registry.{name}", file, lambda path, name=name, registry=registry: f"{registry}{mapping({**tls, name: path})}}}}}\n"
        yield "cell.registry.path", None, lambda path: f"cell: {{name: c, registry: {{kind: file, path: {path}}}}}\n"
        yield "kv_transfer.taken_file", tmp_path / "new", lambda path: f"kv_transfer: {{key: 0123456789abcdef0123456789abcdef, taken_file: {path}}}\n"
        yield "billing.store", tmp_path / "new.db", lambda path: f"billing: {{store: 'sqlite:{path}'}}\n"
        yield "billing.prices", "demo", lambda path: f"billing: {{store: 'sqlite:{tmp_path}/new.db', prices: {path}}}\n"

    for field, right, text in texts():
        if right is not None:
            done = check(tmp_path, DEMO + text(right))
            assert done.returncode == 0, (field, done.stderr)
        pipe = () if field == "billing.prices" else (tmp_path / "pipe",)  # which is waited for, and may be ended
        for wrong in (tmp_path / "none/none", tmp_path, tmp_path / "text", *pipe):
            done = check(tmp_path, DEMO + text(wrong))
            assert done.returncode == 1 and done.stderr.count("server.yaml:") == 1, (field, wrong, done.stdout, done.stderr)
            assert f": {field}: " in done.stderr and str(wrong).removesuffix("/none") in done.stderr, (field, done.stderr)  # or its folder
    model = str(ROOT / "deploy/models/demo.gguf")
    for field, old in (("models[0].tokens.file", model), ("models[0].tokens.draft_file", str(ROOT / "deploy/models/draft.gguf")),
                       ("models[2].shape", "llama-3.1-70b\n"), ("models[2].prefill.hardware", "h100, workers: 2, devices"),
                       ("models[0].decode[0].profile", "vendor-2024, max_running")):
        assert old in DEMO
        weights = (tmp_path / "pipe",) if "gguf" in old else ()  # text may come by a pipe
        for wrong in (tmp_path / "none/none", tmp_path, tmp_path / "text", *weights):
            new = old.replace(re.match(r"[^,\n]+", old)[0], str(wrong))
            name = field.rsplit(".", 1)[1]
            done = check(tmp_path, DEMO.replace(f"{name}: {old}", f"{name}: {new}", 1))
            assert done.returncode == 1 and f": {field}: " in done.stderr and str(wrong) in done.stderr, (field, wrong, done.stderr)


def test_a_pipe_that_says_nothing_can_be_ended(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "server.yaml").write_text(DEMO.replace("shape: llama-3.1-70b", f"shape: {tmp_path}/pipe"))
    with subprocess.Popen([BIN / "waferd", "--check-config", "--config", tmp_path / "server.yaml"], stderr=subprocess.PIPE, text=True) as waiting:
        time.sleep(1)
        waiting.terminate()
        assert waiting.wait(20) == 0 and "a signal came before it was ready" in waiting.stderr.read()


def test_what_files_say_must_fit_as_it_must_when_served(tmp_path):
    for lab in ("a", "b"):
        assert waferctl("certs", "init", tmp_path / lab).returncode == 0
        assert waferctl("certs", "issue", tmp_path / lab, "operator").returncode == 0
    own, other = tmp_path / "a/operator", tmp_path / "b/operator"
    (tmp_path / "members.yaml").write_text("workers: [{id: w, role: shard, endpoint: 'h:1', layers: 4:0}]\n")
    for text, said in [
            (f"tls: {{cert: {own}/tls.crt, key: {own}/tls.key, ca: {own}/ca.crt, links: true}}\n", "tls.cert: .* links need a certificate of role frontend"),
            (f"cell: {{name: c, registry: {{kind: etcd, endpoints: [{{address: 'https://h:1'}}], cert: {own}/tls.crt, key: {other}/tls.key, ca: {own}/ca.crt}}}}\n",
             "cell.registry.key: .*key values mismatch"),
            ("cell: {name: c, registry: {kind: etcd, endpoints: [{address: h}]}}\n", "cell.registry: .*must be HOST:PORT"),
            ("cell: {name: c, registry: {kind: file, path: members.yaml}}\n", "cell.registry.path: .*must be any, or FIRST:END"),
            ("cell: {name: 'a b', registry: {kind: etcd, endpoints: [{address: 'h:1'}]}}\n", "cell.name: .*letters, digits"),
            ("api_keys: [{key: kkkkkkkk, tenant: t}, {key: kkkkkkkk, tenant: u}]\n", "api_keys.1..key: ")]:
        done = check(tmp_path, DEMO + text)
        assert done.returncode == 1 and re.search(f"server.yaml:\\d+: {said}", done.stderr), (text, done.stderr)
    vocabulary = DEMO.replace(str(ROOT / "deploy/models/draft.gguf"), str(tmp_path / "draft.gguf"))
    data = (ROOT / "deploy/models/draft.gguf").read_bytes()
    (tmp_path / "draft.gguf").write_bytes(data.replace(b"lighthouse", b"lighthause"))
    assert data.count(b"lighthouse")
    done = check(tmp_path, vocabulary)
    assert done.returncode == 1 and "models[0].tokens.draft_file: " in done.stderr and "another vocabulary" in done.stderr, done.stderr
