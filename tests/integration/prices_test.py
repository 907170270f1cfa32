"""waferctl prices: a price book is checked, a request is priced to the picodollar."""

import json

from cloud import waferctl


def quote(*words):
    result = waferctl("prices", "quote", "--json", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_quote_charges_cached_tokens_once():
    answer = quote("--model", "gpt-oss-120b", "--prompt", "1000", "--cached", "300", "--output", "500", "--at", "2026-06-01")
    assert answer["exact_picodollars"] == "630500000"
    assert answer["total_usd"] == "0.0006305"
    assert [(line["meter"], line["quantity"]) for line in answer["lines"]] == [("input", 700), ("cached_input", 300), ("output", 500)]
    doubled = quote("--model", "gpt-oss-120b", "--prompt", "1000", "--cached", "300", "--output", "500", "--tier", "priority")
    assert doubled["exact_picodollars"] == "1261000000"


def test_what_cannot_be_priced_is_refused():
    for words, error in [
        (("--model", "gpt-oss-120", "--prompt", "1", "--output", "1"), "did you mean 'gpt-oss-120b'?"),
        (("--model", "glm-4.7", "--prompt", "1", "--cached", "2", "--output", "1"), "--cached: cached tokens are part of the prompt"),
        (("--model", "glm-4.7", "--prompt", "1", "--output", "1", "--at", "2025-06-01"), "no prices are in force at 2025-06-01T00:00:00Z"),
        (("--model", "glm-4.7", "--prompt", "1", "--output", "1", "--at", "June"), "is not a UTC instant from 1970 to 2199"),
        (("--model", "glm-4.7", "--prompt", "1", "--output", "1", "--tier", "fast"), "must be one of: default, flex, priority, batch"),
    ]:
        result = waferctl("prices", "quote", *words)
        assert result.returncode != 0
        assert error in result.stderr, result.stderr


def test_a_faulty_price_book_is_named_by_line_and_field(tmp_path):
    book = tmp_path / "book.yaml"
    book.write_text("currency: USD\nversions:\n  - effective: 2026-06-01\n    models:\n"
                    "      - {name: m, input: \"0.0000001\", output: 1}\n"
                    "  - effective: 2026-06-01\n    models:\n      - {name: m, input: 1, outptu: 1}\n")
    result = waferctl("prices", "check", str(book))
    assert result.returncode == 1
    for error in (":5: versions[0].models[0].input: \"0.0000001\" has more than 6 decimals",
                  ":6: versions[1].effective: overlaps the version before it",
                  ":8: versions[1].models[0].outptu: is not known here; known: cached_input, input, long_prompt, name, output, "
                  "source, system_second, tiers; did you mean 'output'?"):
        assert error in result.stderr, result.stderr
