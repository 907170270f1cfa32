"""aiperf, NVIDIA's load harness, against a running waferd, with the tokenizer that waferctl exports and nothing else."""

import json

from harness import MODEL, URL, export, run  # noqa: F401 (export is the fixture `tokenizer`)


def test_aiperf(tmp_path, tokenizer):
    run(tmp_path, "aiperf", "profile", "--model", MODEL, "--url", URL, "--endpoint-type", "chat", "--streaming", "--tokenizer", tokenizer,
        "--concurrency", 2, "--request-count", 12, "--isl", 64, "--osl", 16, "--artifact-dir", tmp_path / "out", "--ui-type", "none")
    [report] = (tmp_path / "out").rglob("profile_export_aiperf.json")
    figures = json.loads(report.read_text())
    assert figures["request_count"]["avg"] == 12 and not figures.get("error_summary")
