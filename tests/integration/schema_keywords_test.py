"""What constrained decoding makes of each JSON Schema keyword: texts that its grammar must take and must not. WAFERLINE_JSON_SCHEMA_SUITE
names a folder of the JSON Schema Test Suite's form (a version's folder of tests: FILE.json, lists of {schema, tests: [{data, valid}]}); its
cases are then run, too, and a table of what is honoured and refused is printed (docs/json-schema.md has it)."""

import collections
import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import cloud  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
A_B = {"properties": {"a": {}, "b": {}}}

# (keyword, schema, values that must be taken, values that must not)
CASES = [
    ("not", {"not": {"type": "string"}}, [1, None, [], {}], ["", "a"]),
    ("not", {"type": "string", "not": {"enum": ["red", "blue"]}}, ["", "redd", "re", "green"], ["red", "blue"]),
    ("not", {"type": "string", "not": {"pattern": "^a"}}, ["", "ba"], ["a", "ab"]),
    ("not", {"type": "string", "not": {"minLength": 2, "maxLength": 4}}, ["", "x", "abcde"], ["xy", "xyz", "wxyz"]),
    ("not", {"type": "integer", "not": {"minimum": 3, "maximum": 5}}, [2, 6, -4], [3, 4, 5]),
    ("not", {"type": "integer", "not": {"const": 7}}, [6, 8, 77, -7], [7]),
    ("not", {"type": "number", "minimum": 0, "maximum": 9, "not": {"const": 2.5}}, [2, 2.51, 2.4], [2.5]),
    ("not", {"type": "integer", "not": {"multipleOf": 3}}, [1, 2, 4, -5], [0, 3, 9, -3]),
    ("not", {"type": "boolean", "not": {"const": True}}, [False], [True]),
    ("not", {"type": "object", **A_B, "not": {"required": ["a", "b"]}}, [{}, {"a": 1}, {"b": 1}], [{"a": 1, "b": 2}]),
    ("not", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "not": {"properties": {"a": {"minimum": 5}}, "required": ["b"]}},
     [{"a": 4}, {"a": 9}, {}, {"a": 1, "b": 1}], [{"a": 5, "b": 0}, {"b": 0}]),
    ("not", {"not": {"not": {"type": "null"}}}, [None], [1, "null"]),
    ("not", {"type": "array", "items": {"type": "integer"}, "not": {"contains": {"const": 1}}}, [[], [2], [2, 3]], [[1], [2, 1]]),
    ("not", {"type": "array", "not": {"items": {"type": "integer"}}}, [["a"], [1, "a"], [None, 1]], [[], [1], [1, 2]]),
    ("not", {"type": "array", "not": {"maxItems": 1}}, [[1, 2], [1, 2, 3]], [[], [1]]),
    ("not", {"not": {"allOf": [{"type": "integer"}, {"minimum": 3}]}}, ["a", 2], [3, 4]),
    ("not", {"not": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}, [None, 1.5], ["", 3]),
    ("not", {"not": {}}, [], [1, "a", None]),
    ("if", {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "n": {"type": "integer"}}, "required": ["kind", "n"],
            "if": {"properties": {"kind": {"const": "a"}}}, "then": {"properties": {"n": {"minimum": 10}}},
            "else": {"properties": {"n": {"maximum": -10}}}},
     [{"kind": "a", "n": 10}, {"kind": "b", "n": -10}], [{"kind": "a", "n": 9}, {"kind": "b", "n": 10}, {"kind": "c", "n": 10}]),
    ("if", {"type": "integer", "if": {"minimum": 10}, "then": {"multipleOf": 10}}, [9, 10, 20, -5], [11, 25]),
    ("if", {"if": {"type": "string"}, "else": {"type": "null"}}, ["a", None], [1, []]),
    ("contains", {"type": "array", "contains": {"type": "integer"}}, [[1], ["a", 1], [1, "a"]], [[], ["a"]]),
    ("contains", {"type": "array", "contains": {"const": 1}, "minContains": 2, "maxContains": 3, "items": {"type": "integer"}},
     [[1, 1], [1, 2, 1], [1, 1, 1, 5]], [[1], [1, 2], [1, 1, 1, 1], []]),
    ("contains", {"type": "array", "contains": {"type": "null"}, "minContains": 0, "maxContains": 1}, [[], [None], [1, None]], [[None, None]]),
    ("contains", {"type": "array", "contains": {"const": "x"}, "prefixItems": [{"type": "integer"}], "maxItems": 2},
     [[1, "x"]], [["x"], [1], [1, "y"], [1, "x", "x"]]),
    ("uniqueItems", {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 1},
     [["a"], ["b", "a"], ["c", "a", "b"]], [[], ["a", "a"], ["a", "b", "a"], ["a", "b", "c", "a"]]),
    ("uniqueItems", {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}, [[], [True], [False, True]], [[True, True]]),
    ("uniqueItems", {"type": "array", "prefixItems": [{"enum": [1, 2]}, {"enum": [2, 3]}], "items": False, "uniqueItems": True},
     [[1], [1, 2], [2, 3]], [[2, 2], [3]]),
    ("dependentRequired", {"type": "object", "properties": {"card": {}, "address": {}}, "dependentRequired": {"card": ["address"]}},
     [{}, {"address": 1}, {"card": 1, "address": 2}], [{"card": 1}]),
    ("dependentSchemas", {"type": "object", "properties": {"a": {}, "b": {}}, "dependentSchemas": {"a": {"properties": {"b": {"type": "string"}}}}},
     [{"b": 1}, {"a": 1, "b": "x"}, {"a": 1}], [{"a": 1, "b": 2}]),
    ("dependencies", {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "dependencies": {"a": ["b"], "c": {"required": ["a"]}}},
     [{}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}], [{"a": 1}, {"c": 1}, {"a": 1, "c": 1}]),
    ("unevaluatedProperties", {"type": "object", "properties": {"a": {"type": "integer"}}, "unevaluatedProperties": {"type": "string"}},
     [{"a": 1}, {"a": 1, "z": "s"}, {"z": "s"}], [{"a": 1, "z": 1}, {"a": "s"}]),
    ("unevaluatedProperties", {"type": "object", "allOf": [{"properties": {"a": {}}}], "anyOf": [{"properties": {"b": {"const": 1}}}, {}],
                               "unevaluatedProperties": False}, [{}, {"a": 1}, {"a": 0, "b": 1}], [{"c": 1}, {"a": 1, "b": 2}]),
    ("unevaluatedProperties", {"type": "object", "allOf": [{"properties": {"a": {}}, "unevaluatedProperties": False}], "properties": {"b": {}}},
     [{"a": 1}, {}], [{"b": 1}, {"a": 1, "b": 1}]),
    ("unevaluatedItems", {"type": "array", "prefixItems": [{"type": "integer"}], "unevaluatedItems": {"type": "string"}},
     [[], [1], [1, "a"], [1, "a", "b"]], [["a"], [1, 2]]),
    ("unevaluatedItems", {"type": "array", "allOf": [{"prefixItems": [{}, {}]}], "unevaluatedItems": False}, [[], [1, "a"]], [[1, 2, 3]]),
    ("multipleOf", {"type": "number", "multipleOf": 0.25, "minimum": -2, "maximum": 9}, [0, 0.25, 0.5, 3, 8.75, -1.5], [0.1, 0.3, 8.7]),
    ("multipleOf", {"type": "number", "multipleOf": 0.01}, [0, 1, 0.07, 12.3, -4.56], [0.001, 1.234]),
    ("multipleOf", {"type": "integer", "multipleOf": 2.5}, [0, 5, 10, -15], [1, 2, 3]),
    ("multipleOf", {"type": "number", "multipleOf": 2.5}, [2.5, 5, 7.5], [2, 3.5, 2.6]),
    ("propertyNames", {"type": "object", "propertyNames": {"enum": ["x", "y"]}, "additionalProperties": {"type": "integer"}},
     [{}, {"x": 1}, {"y": 2}], [{"z": 1}, {"x": "a"}]),
    ("propertyNames", {"type": "object", "propertyNames": {"anyOf": [{"pattern": "^a"}, {"maxLength": 2}]}, "additionalProperties": True},
     [{"abc": 1}, {"zz": 1}], [{"bcd": 1}]),
    ("propertyNames", {"type": "object", "propertyNames": {"not": {"const": "id"}}, "additionalProperties": True}, [{"idx": 1}], [{"id": 1}]),
    ("patternProperties", {"type": "object", "patternProperties": {"^n_": {"type": "integer"}, "_s$": {"type": "string"}},
                           "additionalProperties": False}, [{"n_1": 1}, {"a_s": "x"}], [{"n_1": "x"}, {"n_s": 1}, {"q": 1}]),
    ("oneOf", {"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5], [3, 1.5]),
    ("oneOf", {"type": "object", **A_B, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}], [{}, {"a": 1, "b": 1}]),
    ("enum", {"enum": [[1, 2], [1], {"a": 1}, {"a": "x"}], "items": {"type": "integer"}, "maxItems": 1,
              "properties": {"a": {"type": "integer"}}}, [[1], {"a": 1}], [[1, 2], {"a": "x"}]),
]

# What is refused, and the name that the refusal has.
REFUSED = [
    ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "'uniqueItems' at #"),
    ({"type": "number", "multipleOf": 1e-8}, "'multipleOf' at #"),
    ({"$dynamicRef": "#a"}, "'$dynamicRef' at #"),
    ({"type": "string", "not": {"format": "date"}}, "'format' at #/not"),
    ({"type": "object", "not": {"additionalProperties": False}}, "'additionalProperties' at #/not"),
    ({"not": {"const": [1]}}, "'not' leads to #/not/const"),
    ({"type": "object", "properties": {"a": {"not": {"colour": 1}}}}, "'colour' at #/properties/a/not"),
    ({"type": "array", "allOf": [{"contains": {"const": 1}}, {"contains": {"const": 2}}]}, "'contains'"),
    ({"not": {"$ref": "#"}}, "leads back to itself"),
    ({"oneOf": [{"$ref": "#"}, {"type": "null"}]}, "leads back to itself"),
    ({"dependentRequired": {"p%d" % i: ["q"] for i in range(3000)}}, "choices at once"),
    ({"oneOf": [{"pattern": "^(a?){300}a{%d}$" % i} for i in range(200, 260)]}, "takes too long"),
]


def texts_of(value):
    """The value as JSON, with the properties of each object in any order (the grammar has one)."""
    if isinstance(value, dict):
        members = [[json.dumps(key, ensure_ascii=False) + ":" + text for text in texts_of(one)] for key, one in value.items()]
        for order in itertools.islice(itertools.permutations(members), 24):
            for chosen in itertools.islice(itertools.product(*order), 24):
                yield "{" + ",".join(chosen) + "}"
    elif isinstance(value, list):
        for chosen in itertools.islice(itertools.product(*[list(texts_of(one)) for one in value]), 48):
            yield "[" + ",".join(chosen) + "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def taken(schemas, values):
    """For each schema its error, or whether each of its values can be written."""
    lines = ""
    for schema, some in zip(schemas, values):
        texts = [list(texts_of(value)) for value in some]
        lines += json.dumps({"kind": "json_schema", "schema": schema, "seed": 1, "count": 0, "accepts": sum(texts, [])}) + "\n"
    run = subprocess.run([cloud.BIN / "grammar_samples", MODEL], input=lines, capture_output=True, text=True, check=True, timeout=280)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    for some, result in zip(values, results):
        if "error" in result:
            yield result["error"]
            continue
        flags = iter(result["accepts"])
        yield [any([next(flags) for _ in texts_of(value)]) for value in some]


def test_each_keyword_takes_what_it_allows_and_nothing_else():
    results = taken([schema for _, schema, _, _ in CASES], [good + bad for _, _, good, bad in CASES])
    wrong = []
    for (keyword, schema, good, bad), result in zip(CASES, results):
        # A schema that nothing satisfies is refused.
        if isinstance(result, str) and not good and "no text can satisfy it" in result:
            continue
        expected = [True] * len(good) + [False] * len(bad)
        if result != expected:
            values = good + bad
            wrong.append((keyword, json.dumps(schema), result if isinstance(result, str) else
                          [value for value, got, want in zip(values, result, expected) if got != want]))
    assert not wrong, "\n".join(map(str, wrong))


def test_what_cannot_be_honoured_is_refused_by_name():
    results = list(taken([schema for schema, _ in REFUSED], [[] for _ in REFUSED]))
    for (schema, says), result in zip(REFUSED, results):
        assert isinstance(result, str) and says in result, (schema, result)


@pytest.mark.skipif("WAFERLINE_JSON_SCHEMA_SUITE" not in os.environ, reason="WAFERLINE_JSON_SCHEMA_SUITE names no folder")
def test_no_case_of_the_suite_is_wrong():
    table, wrong = {}, []
    for path in sorted(pathlib.Path(os.environ["WAFERLINE_JSON_SCHEMA_SUITE"]).glob("*.json")):
        cases = json.loads(path.read_text())
        results = taken([case["schema"] for case in cases], [[test["data"] for test in case["tests"]] for case in cases])
        counts = collections.Counter()
        for case, result in zip(cases, results):
            if isinstance(result, str):
                impossible = "no text can satisfy it" in result and not any(test["valid"] for test in case["tests"])
                counts["honoured" if impossible else "refused"] += 1
                print(f"{path.stem}: {case['description']}: {result}")
                continue
            counts["honoured"] += 1
            for test, got in zip(case["tests"], result):
                counts["written" if got and test["valid"] else "not written" if test["valid"] else "wrong" if got else "kept out"] += 1
                if got and not test["valid"]:
                    wrong.append((path.stem, case["description"], test["description"], json.dumps(case["schema"]), json.dumps(test["data"])))
        table[path.stem] = counts
    columns = ("honoured", "refused", "written", "not written", "kept out", "wrong")
    print("| keyword | " + " | ".join(columns) + " |")
    for name, counts in [*table.items(), ("all", sum(table.values(), collections.Counter()))]:
        print(f"| {name} | " + " | ".join(str(counts[column]) for column in columns) + " |")
    assert not wrong, "\n".join(map(str, wrong))
