"""Every file that a configuration names is looked at by --check-config as the server would: that it is there, its kind, what it says."""

import os
import re
import subprocess

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
        for wrong in (tmp_path / "none/none", tmp_path, tmp_path / "text", tmp_path / "pipe"):
            done = check(tmp_path, DEMO + text(wrong))
            assert done.returncode == 1 and done.stderr.count("server.yaml:") == 1, (field, wrong, done.stdout, done.stderr)
            assert f": {field}: " in done.stderr and str(wrong).removesuffix("/none") in done.stderr, (field, done.stderr)  # or its folder
    model = str(ROOT / "deploy/models/demo.gguf")
    for field, old in (("models[0].tokens.file", model), ("models[0].tokens.draft_file", str(ROOT / "deploy/models/draft.gguf")),
                       ("models[2].shape", "llama-3.1-70b\n"), ("models[2].prefill.hardware", "h100, workers: 2, devices"),
                       ("models[0].decode[0].profile", "vendor-2024, max_running")):
        assert old in DEMO
        for wrong in (tmp_path / "none/none", tmp_path, tmp_path / "text", tmp_path / "pipe"):
            new = old.replace(re.match(r"[^,\n]+", old)[0], str(wrong))
            name = field.rsplit(".", 1)[1]
            done = check(tmp_path, DEMO.replace(f"{name}: {old}", f"{name}: {new}", 1))
            assert done.returncode == 1 and f": {field}: " in done.stderr and str(wrong) in done.stderr, (field, wrong, done.stderr)


def test_no_file_is_a_pipe_a_device_or_a_link_without_end(tmp_path):
    """Each would be waited for, or read without end, or stand for a file that is not there."""
    os.mkfifo(tmp_path / "pipe")
    os.symlink("loop", tmp_path / "loop")
    (tmp_path / "empty").touch()
    odd = {tmp_path / "pipe": "is a pipe, not a regular file", "/dev/null": "is a device, not a regular file", "/dev/zero": "is a device, not a regular file",
           tmp_path / "loop": "Too many levels of symbolic links"}
    tokens = f"tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf"
    assert tokens in DEMO
    for path, said in odd.items():
        for field, text in (
                ("models[2].shape", DEMO.replace("shape: llama-3.1-70b", f"shape: {path}")),
                ("models[2].prefill.hardware", DEMO.replace("hardware: h100, workers: 2, devices", f"hardware: {path}, workers: 2, devices")),
                ("models[0].decode[0].profile", DEMO.replace("profile: vendor-2024, max_running", f"profile: {path}, max_running", 1)),
                ("models[0].tokens.chat_template", DEMO.replace(tokens, f"{tokens}, chat_template: {path}", 1)),
                ("billing.store", f"{DEMO}billing: {{store: 'sqlite:{path}'}}\n"),
                ("billing.prices", f"{DEMO}billing: {{store: 'sqlite:{tmp_path}/new.db', prices: {path}}}\n"),
                ("kv_transfer.taken_file", f"{DEMO}kv_transfer: {{key: 0123456789abcdef0123456789abcdef, taken_file: {path}}}\n")):
            assert text != DEMO
            done = check(tmp_path, text)
            assert done.returncode == 1 and f": {field}: " in done.stderr and str(path) in done.stderr and said in done.stderr, (field, path, done.stdout, done.stderr)
        for words in (("--check-config", "--config", path), ("--config", path), (ROOT / "deploy/models/demo.gguf", "--shape", path)):
            done = subprocess.run([BIN / "waferd", *words], capture_output=True, text=True, timeout=60)
            assert done.returncode == 1 and str(path) in done.stderr and said in done.stderr, (words, done.stderr)
        done = waferctl("model", "perplexity", ROOT / "deploy/models/demo.gguf", "--text", path)
        assert done.returncode == 1 and str(path) in done.stderr and said in done.stderr, done.stderr
    done = check(tmp_path, DEMO.replace(tokens, f"{tokens}, chat_template: {tmp_path}/empty", 1))
    assert done.returncode == 1 and f"chat_template: {tmp_path}/empty is empty" in done.stderr, done.stderr


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
