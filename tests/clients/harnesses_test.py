"""Load and evaluation harnesses against a running waferd: guidellm and lm-eval, with the tokenizer that waferctl exports and
nothing else. Each runs as its own program, as its users start it."""

import json

import pytest

from harness import MODEL, URL, export, run  # noqa: F401 (export is the fixture `tokenizer`)


@pytest.mark.parametrize("route", ("/v1/chat/completions", "/v1/completions"))
def test_guidellm(tmp_path, tokenizer, route):
    out = tmp_path / "out.json"
    run(tmp_path, "guidellm", "run", "--backend", f"kind=openai_http,target={URL},model={MODEL},request_format={route}",
        "--profile", "kind=concurrent,streams=2", "--constraint", "kind=max_requests,count=12",
        "--data", "kind=synthetic_text,prompt_tokens=64,output_tokens=16", "--tokenizer", f"kind=huggingface_auto,model={tokenizer}",
        "--output", f"kind=json,path={out}", "--disable-console")
    [benchmark] = json.loads(out.read_text())["benchmarks"]
    totals = benchmark["metrics"]["request_totals"]
    # It leaves out what it counts as its warm-up.
    assert totals["errored"] == totals["incomplete"] == 0 and totals["successful"] >= 10, totals
    tokens = benchmark["metrics"]["output_token_count"]["successful"]
    assert 0 < tokens["mean"] <= 16


def test_lm_eval(tmp_path, tokenizer):
    lines = [{"question": f"Once upon a time there was {who}", "answer": " and"} for who in ("a baker", "a smith", "a goat")]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, kind in (("village_likelihood", "loglikelihood"), ("village_text", "generate_until")):
        until = "generation_kwargs: {until: [\".\"], max_gen_toks: 12, temperature: 0}\n" if kind == "generate_until" else ""
        metric = "exact_match" if kind == "generate_until" else "acc"
        (tmp_path / f"{name}.yaml").write_text(
            f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/data.jsonl}}}}\ntest_split: test\n"
            f"output_type: {kind}\ndoc_to_text: \"{{{{question}}}}\"\ndoc_to_target: \"{{{{answer}}}}\"\n{until}"
            f"metric_list: [{{metric: {metric}, aggregation: mean, higher_is_better: true}}]\n")
    run(tmp_path, "lm_eval", "run", "--model", "local-completions", "--model_args",
        f"model={MODEL},base_url={URL}/v1/completions,tokenizer={tokenizer},num_concurrent=2", "--tasks", "village_likelihood,village_text",
        "--include_path", tmp_path, "--output_path", tmp_path / "out")
    [report] = (tmp_path / "out").rglob("results*.json")
    results = json.loads(report.read_text())["results"]
    assert set(results) == {"village_likelihood", "village_text"}
    assert 0 <= results["village_likelihood"]["acc,none"] <= 1
