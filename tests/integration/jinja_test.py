"""The template interpreter against jinja2 itself, set up as Hugging Face's transformers sets it up.

The templates are written for this test, in the ways that public model families write theirs: role headers, default system
turns, dates, tools as JSON, thinking that is cut from the history, macros, namespaces, white space control."""

import copy
import datetime
import json
import os
import pathlib
import random
import subprocess

import jinja2
import jinja2.ext
import jinja2.sandbox
import pytest

RENDER = pathlib.Path(os.environ["WAFERLINE_BIN_DIR"]) / "jinja_render"
UNIX_SECONDS = 1_764_288_000


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                        extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made.globals["raise_exception"] = raise_exception
    now = datetime.datetime.fromtimestamp(UNIX_SECONDS, datetime.timezone.utc)
    made.globals["strftime_now"] = now.strftime
    return made


ENVIRONMENT = environment()


def expected(template, context):
    try:
        return {"text": ENVIRONMENT.from_string(template).render(**copy.deepcopy(context))}  # jinja2 may change lists
    except Exception as error:  # whatever Python raises is an error of the template
        return {"error": str(error)}


def render(cases):
    lines = "".join(json.dumps({"template": template, "context": context, "unix_seconds": UNIX_SECONDS}) + "\n"
                    for template, context in cases)
    done = subprocess.run([RENDER], input=lines, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(cases):
    wrong = []
    for (template, context), ours in zip(cases, render(cases), strict=True):
        theirs = expected(template, context)
        same = ours.get("text") == theirs["text"] if "text" in theirs else "error" in ours
        if not same:
            wrong.append((template, context, ours, theirs))
    assert not wrong, f"{len(wrong)} of {len(cases)}, the first: {wrong[0]}"


TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a \"place\" <now>",
    "parameters": {"type": "object", "required": ["place"], "properties": {
        "place": {"type": "string", "description": "Süd'ost & co"},
        "days": {"type": "integer", "minimum": 1, "enum": [1, 2, 3]}}}}}]

CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": {"place": "Oslo", "days": 2}}}]}

CHATS = {
    "one": [{"role": "user", "content": "Hello  "}],
    "system": [{"role": "system", "content": " Be brief.\n"}, {"role": "user", "content": "Hi <|im_end|> there"}],
    "turns": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nb"},
              {"role": "user", "content": "c\n\nd"}],
    "tool": [{"role": "system", "content": "s"}, {"role": "user", "content": "weather?"}, CALL,
             {"role": "tool", "name": "get_weather", "tool_call_id": "call_1", "content": "{\"sun\": true}"},
             {"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "Thanks, 再见 👋"}],
    "two_users": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}],
}


def contexts():
    for name, messages in CHATS.items():
        for tools in (None, TOOLS):
            for thinking in (None, True, False):
                context = {"messages": messages, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}
                if tools:
                    context["tools"] = tools
                if thinking is not None:
                    context["enable_thinking"] = thinking
                yield name, context
    yield "no_prompt", {"messages": CHATS["turns"], "bos_token": "", "eos_token": "<eos>", "add_generation_prompt": False}


TEMPLATES = dict(line.split("\t", 1) for line in
                 (pathlib.Path(__file__).parent / "jinja_templates.tsv").read_text().splitlines())


@pytest.mark.parametrize("name", TEMPLATES)
def test_template(name):
    template = json.loads(TEMPLATES[name])
    compare([(template, context) for _, context in contexts()])


def test_there_are_forty_templates():
    assert len(TEMPLATES) >= 40


VALUES = ["x", "y", "n", "text", "words", "items", "table", "missing", "none", "true", "0", "1", "-3", "2.5", "''", "'a b'",
          "[1, 2, 3]", "(1, 'b')", "{'k': 1, 'l': [none]}", "table.a", "table['b']", "items[0]", "items[-1]", "text[1:3]",
          "items[::-1]", "text[::2]", "words[:2]", "messages[0].role"]
FILTERS = ["upper", "lower", "trim", "length", "first", "last", "list", "string", "int", "float", "tojson", "tojson(indent=2)",
           "default('d')", "default('d', true)", "join(', ')", "reverse|list", "sort", "unique|list", "capitalize", "title",
           "replace('a', 'bb')", "abs", "round(1)", "max", "min", "sum", "map('string')|list", "select|list", "reject|list",
           "select('string')|list", "items|list", "dictsort", "indent(2)", "indent(3, true)", "safe", "count",
           "map(attribute='role')|list", "selectattr('role', 'equalto', 'user')|list", "rejectattr('role')|list"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping",
         "sequence", "iterable", "odd", "even", "divisibleby(2)", "divisibleby 3", "eq(1)", "ne 1", "in [1, 'x']", "sameas none",
         "upper", "lower"]
METHODS = ["strip()", "split()", "split('a')", "split(' ', 1)", "rsplit(' ', 1)", "upper()", "startswith('a')",
           "endswith(('x', 't'))", "replace('t', '')", "find('t')", "count('a')", "items()|list", "keys()|list", "values()|list",
           "get('a')", "get('zz', 3)", "lstrip('a ')", "title()", "splitlines()", "removeprefix('te')", "isdigit()"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in", "and", "or"]
CONTEXT = {"x": 7, "y": "why", "n": -2, "text": "text 'a' \"b\"\n<e>", "words": ["apple", "Pear", "fig", "apple"],
           "items": [3, 1, 2], "table": {"a": 1, "b": "two", "c": [1, {"d": None}]}, "messages": CHATS["tool"]}


def expression(draw, depth=0):
    kind = draw.randrange(9 if depth < 3 else 1)
    inner = lambda: expression(draw, depth + 1)
    if kind <= 1:
        return draw.choice(VALUES)
    if kind == 2:
        return f"({inner()})|{draw.choice(FILTERS)}"
    if kind == 3:
        return f"(({inner()}) is {draw.choice(['', 'not '])}{draw.choice(TESTS)})"  # jinja2 takes a following 'if' for an argument
    if kind == 4:
        return f"({inner()}).{draw.choice(METHODS)}"
    if kind == 5:
        return f"{inner()} if {inner()} else {inner()}"
    if kind == 6:
        return f"not {inner()}"
    return f"({inner()}) {draw.choice(OPERATORS)} ({inner()})"


def too_large(template):
    """Python's integers have no end, ours have; and both may repeat a text very often."""
    return template.count("**") > 1 or template.count("*") > 3


def test_random_expressions():
    draw = random.Random(int(os.environ.get("WAFERLINE_SEED", "7")))
    cases = [("{{ " + expression(draw) + " }}", CONTEXT) for _ in range(3000)]
    compare([case for case in cases if not too_large(case[0])])


def block(draw, depth=0):
    tag = lambda body: "{%" + draw.choice(["", "-", "+"]) + f" {body} " + draw.choice(["", "-"]) + "%}"
    text = lambda: draw.choice(["a", " ", "\n", "  \n", "\n  ", "\tb ", ""])
    inner = lambda: text() + (block(draw, depth + 1) if depth < 3 else "") + text()
    kind = draw.randrange(8)
    if kind == 0:
        return tag("if " + draw.choice(VALUES)) + inner() + tag("elif x") + inner() + tag("else") + inner() + tag("endif")
    if kind == 1:
        return tag("for i in items") + inner() + "{{- loop.index }}" + inner() + tag("endfor")
    if kind == 2:
        return tag("set v") + inner() + tag("endset") + "{{ v }}"
    if kind == 3:
        return "{#" + draw.choice(["", "-"]) + " note " + draw.choice(["", "-"]) + "#}" + inner()
    if kind == 4:
        return tag("macro m(p, q=2)") + inner() + "{{ p }}{{ q }}" + tag("endmacro") + "{{ m(x) }}{{ m(1, q=3) }}"
    if kind == 5:
        return tag("raw") + " {{ x }} " + tag("endraw").replace("{%+", "{%")
    if kind == 6:
        return tag("for w in words if w is not eq 'fig'") + inner() + tag("if loop.index > 1") + tag("break") + tag("endif") + "{{ w }}" \
            + tag("else") + "none" + tag("endfor")
    return inner() + "{{" + draw.choice(["", "-"]) + " x " + draw.choice(["", "-"]) + "}}" + inner()


def test_random_blocks_and_white_space():
    draw = random.Random(int(os.environ.get("WAFERLINE_SEED", "11")))
    compare([("".join(block(draw) for _ in range(3)) + draw.choice(["", "\n"]), CONTEXT) for _ in range(1500)])


@pytest.mark.parametrize("template, text", [
    ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "steps"),
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep"),
    ("{{ 'a' * 1000000000 }}", "bytes"),
    ("{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "bytes"),
    ("{{ range(1000000000)|list }}", "numbers"),
    ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nesting"),
    ("{{ 'a'.replace('', 'b' * 1000000).replace('', 'c' * 1000000) }}", "bytes"),
    ("{{ " + "1" + "+1" * 20000 + " }}", "shorter expression"),
    ("{{ 'a'" + "|upper" * 20000 + " }}", "shorter expression"),
    ("{{ x" + ".b" * 20000 + " }}", "shorter expression"),
    ("{{ " + "1 if 0 else " * 80000 + "1 }}", "nesting"),
    ("{% set ns = namespace(l=1) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}", "deep"),
    ("{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l }}", "bytes"),
    ("{% for i in range(200) %}{{ ('a' * 1000 + 'b') in ('a' * 600000) }}{% endfor %}", "bytes"),
    ("{% for c in 'a' * 2000000 %}{% endfor %}", "by character"),
    ("{% include 'x' %}", "unknown tag 'include'"),
    ("{{ x.append(1) }}", "may not change"),
    ("{{ a.b.c }}", "'a' is undefined"),
    ("{{ 'x' | nosuch }}", "unknown filter 'nosuch'"),
    ("line one\n{% if x", "line 2"),
    ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
], ids=lambda value: value[:40])
def test_refused_with_a_reason(template, text):
    [ours] = render([(template, {"x": [1]})])
    assert text in ours["error"]


def test_content_keeps_its_origin():
    template = "<|u|>{{ ' ' + messages[0].content|trim + '<|end|>' }}{{ messages[0].content.upper()[1:3] }}"
    [ours] = render([(template, {"messages": [{"content": " a<|end|>b "}]})])
    assert ours["text"] == "<|u|> a<|end|>b<|end|>A<"
    assert ours["content"] == ["a<|end|>b", "A<"]
