"""The commands that documents show as indented lines: each is run as it is written, here or by the test that is named, or is on the list of those
that need more than a test has."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

import etcd
from cloud import BIN, ROOT, Waferd

PROGRAM = re.compile(r"^ {4,7}((?:build/bin/)?(?:waferctl|waferd|etcd|etcdctl|helm|cmake|ninja|ctest|make|python3|vllm-router|build/examples)\b.*)$", re.M)
OFFLINE = ["docs/hardware.md", "docs/splitting-a-layer.md", "docs/tiers.md"]
HERE = [*OFFLINE, "docs/billing.md", "docs/cells.md", "SECURITY.md"]
ELSEWHERE = {
    "README.md": "readme_test.py, tests/stranger/walk.py",
    "docs/plan.md": "plan_doc_test.py",
    "docs/routers.md": "vllm_router_test.py",
    "examples/README.md": "examples.complete",
    "deploy/helm/README.md": "helm_test.py renders it; there is no cluster",
    "CONTRIBUTING.md": "builds: names are checked below",
    "docs/adding-a-model-family.md": "builds: names are checked below",
    "docs/adding-a-quant-type.md": "builds: names are checked below",
    "docs/adding-a-policy.md": "of a rule that the reader writes",
    "docs/adding-hardware.md": "of a file that the reader writes",
    "docs/fuzzing.md": "builds: names are checked below",
    "deploy/models/README.md": "trains the demo model",
}


def lines_of(document):
    text = re.sub(r" \\\n +", " ", (ROOT / document).read_text())
    return [line.split("  #")[0].split(" #")[0].rstrip(" &") for line in PROGRAM.findall(text)]


@pytest.fixture(name="run")
def make_runner(tmp_path):
    """Runs a line in an empty folder that has what the repository's has."""
    for name in ("deploy", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)

    def run(line, **env):
        words = shlex.split(line)
        words[0] = str(BIN.resolve() / words[0].removeprefix("build/bin/"))
        done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **env}, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    run.folder = tmp_path
    return run


def test_every_document_with_commands_is_run_or_says_why_not():
    found = {path.relative_to(ROOT).as_posix() for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "examples/*.md") for path in ROOT.glob(pattern)}
    assert {name for name in found if lines_of(name)} == {*HERE, *ELSEWHERE}


@pytest.mark.parametrize("document", OFFLINE)
def test_what_needs_no_server(document, run):
    lines = lines_of(document)
    assert lines
    for line in lines:
        assert run(line).strip(), line
    for page in run.folder.glob("*.html"):
        assert "<svg" in page.read_text()


def test_what_is_said_of_tenants_invoices_and_the_ledger(run):
    """In the document's order of sections but for the month, which is over there, and the key's id."""
    first, *lines = lines_of("docs/billing.md")
    assert first == "waferd MODEL.gguf --state-dir /var/lib/waferline"
    ran = []
    with Waferd("deploy/config/demo.yaml", "--state-dir", str(run.folder), "--set", "billing.prices=demo") as server:
        env = {"WAFERLINE_SERVER": server.http}
        for line in [one for one in lines if re.match(r"waferctl (tenants|keys|quotas)", one)]:
            line = line.replace("key_0123456789abcdef", env.get("ID", ""))
            out = run(line, **env)
            ran.append(line)
            if "keys create" in line:
                env["ID"] = re.search(r"key_\w+", out)[0]
            if "--admin" in line:
                env["WAFERLINE_API_KEY"] = re.search(r"wl-\w+", out)[0]
            if "keys create" in line and "acme" in line:
                run('waferctl complete "The baker" --model llama-3.1-8b --max-tokens 8', **{**env, "WAFERLINE_API_KEY": re.search(r"wl-\w+", out)[0]})
        month = re.search(r"acme:(\d{4}-\d\d)", run("waferctl invoice list", **env))[1]
        for line in [one for one in lines if re.match(r"waferctl (ledger|invoice|usage)", one)]:
            ran.append(line)
            line = line.replace("2026-06-01", "2020-01-01").replace("2026-06", month)
            if "invoice close" in line or "invoice credit" in line:  # the month is not over: refused, in these words
                with pytest.raises(AssertionError, match="is a draft until|what is final is credited"):
                    run(line, **env)
                continue
            assert run(line, **env).strip(), line
    assert len(ran) == len(lines) >= 15


def test_what_is_said_of_certificates(run):
    init, frontend, worker, start, ask = lines_of("SECURITY.md")
    run(init)
    run(frontend.replace("api.example.org", "localhost"))
    run(worker)
    before = (run.folder / "lab/worker-shard-0/tls.crt").read_text()
    run(worker)
    assert (run.folder / "lab/worker-shard-0/tls.crt").read_text() != before
    assert start.startswith("waferd --role shard") and start.endswith("--tls lab/worker-shard-0")
    [tls] = re.findall(r"^    (tls: \{.*\})", (ROOT / "SECURITY.md").read_text(), re.M)
    config = run.folder / "server.yaml"
    config.write_text((ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/") + "\n" + tls + "\n")
    with Waferd(config) as server:
        port = server.http.rsplit(":", 1)[1]
        assert "waferline-demo" in run(re.sub(r" \[.*", "", ask).replace("api.example.org:8080", f"localhost:{port}"))


@pytest.mark.skipif(not etcd.INSTALLED, reason="no etcd: apt-get install etcd-server")
def test_the_cell_that_is_started_by_hand(run):
    """On other ports, and etcd in a folder of its own."""
    lines = lines_of("docs/cells.md")
    assert lines[0] == "etcd" and len(lines) == 14
    workers, fronts, fleet = lines[1:4], lines[4:6], lines[6]
    with etcd.Etcd() as registry:
        config = run.folder / "cell.yaml"
        config.write_text((ROOT / "deploy/config/cell.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/").replace("127.0.0.1:2379", registry.address))
        started = []
        try:
            for line in [*workers, *fronts]:
                line = line.replace("127.0.0.1:2379", registry.address).replace("deploy/config/cell.yaml", str(config))
                words = shlex.split(re.sub(r"--http-port \d+", "--http-port 0", line))
                words[0] = str(BIN.resolve() / words[0].removeprefix("build/bin/"))
                started.append(subprocess.Popen(words, cwd=run.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            for _ in range(60):
                listed = run(fleet.replace("127.0.0.1:2379", registry.address))
                if listed.count("claimed") >= 3 or listed.count("demo-0") >= 4:
                    break
                subprocess.run(["sleep", "0.5"])
            assert listed.count("demo-0") >= 4, listed
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(30)


def test_the_tests_that_documents_have_built_are_there():
    documents = [name for name, why in ELSEWHERE.items() if why.startswith("builds")]
    text = "".join((ROOT / name).read_text() for name in documents)
    targets = set(re.findall(r"\btest_unit_(\w+)", text)) - {""}
    folders = {path.parent.relative_to(ROOT / "tests/unit").as_posix().replace("/", "_") for path in (ROOT / "tests/unit").rglob("CMakeLists.txt")}
    assert len(targets) >= 4 and targets <= folders
    presets = (ROOT / "CMakePresets.json").read_text()
    for preset in re.findall(r"cmake --preset (\w+)", text):
        assert f'"name": "{preset}"' in presets, preset
    assert shutil.which("ninja")
