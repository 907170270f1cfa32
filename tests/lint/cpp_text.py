"""C++ source for the checks: pieces of text, and functions and types found by their braces. No compiler: good enough to count."""

import re

PIECES = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)'
    r'|R"(?P<mark>[^(\s]*)\((?P<raw>.*?)\)(?P=mark)"'
    r'|"(?P<string>(?:[^"\\\n]|\\.)*)"'
    r"|'(?:[^'\\\n]|\\.)+'"
    r"|(?P<name>[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)"
    r"|\d[\w.']*", re.S)


def pieces(source):
    """(kind, text, line) of each comment, string and name; kind is "comment", "string" or "name"."""
    line, at = 1, 0
    for match in PIECES.finditer(source):
        line += source.count("\n", at, match.start())
        at = match.start()
        kind = match.lastgroup
        if kind is None:
            continue
        if match.group("raw") is not None:
            yield "string", match.group("raw"), line
        else:
            yield kind, match.group(kind), line


def code_only(source):
    """The source with comments, strings and preprocessor lines blanked out, every line in its place."""
    def blank(match):
        if match.lastgroup == "name":
            return match.group(0)
        newlines = "\n" * match.group(0).count("\n")
        return newlines if match.lastgroup == "comment" else "0" + newlines
    text = PIECES.sub(blank, source)
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), text)


TYPE = re.compile(r"\b(class|struct|union|enum(?:\s+class)?)\s+(?:\[\[\w+\]\]\s*)?([A-Za-z_]\w*)(?:\s+final)?\s*(?:(?<!:):(?!:).*)?$", re.S)
NOT_FUNCTIONS = {"if", "for", "while", "switch", "catch", "return", "do", "else", "try"}


def parameter_count(head):
    """Of the first pair of parentheses at the head's top level that follows a name; None if there is none."""
    angle = depth = count = 0
    seen = False
    opened = re.search(r"(?:[\w\]>]|operator\s*\S+|operator\(\))\s*\(", head)
    if not opened:
        return None
    for char in head[opened.end() - 1:]:
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return count + 1 if seen else 0
        elif char == "<":
            angle += 1
        elif char == ">":
            angle = max(0, angle - 1)
        elif char == "," and depth == 1 and angle == 0:
            count += 1
        if depth >= 1 and char not in "( \n":
            seen = True
    return None


def functions_and_types(source):
    """([(name, first line, last line, parameters)], [(name, line)]) of what is defined outside of functions; types at namespace level."""
    text = code_only(source)
    functions, types = [], []
    stack = []  # of ("scope" | "type" | "function" | "other", index into functions)
    begin = 0
    line = 1
    parens = 0
    for at, char in enumerate(text):
        if char == "\n":
            line += 1
        elif char in "([":
            parens += 1
        elif char in ")]":
            parens -= 1
        elif char == ";" and parens == 0:
            begin = at + 1
        elif char == "{":
            head = text[begin:at].strip()
            inside = any(kind in ("function", "other") for kind, _ in stack)
            if inside or parens > 0:
                stack.append(("other", None))
                continue
            first = head.split(None, 1)[0] if head else ""
            type_match = TYPE.search(head)
            if re.search(r"\bnamespace\b[\w:\s]*$", head) or head.endswith('extern 0'):
                stack.append(("scope", None))
            elif type_match and "(" not in head[type_match.start():].split(":")[0]:
                if all(kind == "scope" for kind, _ in stack):
                    types.append((type_match.group(2), line))
                stack.append(("type", None))
            elif (count := parameter_count(head)) is not None and first not in NOT_FUNCTIONS and not re.search(r"[=,]$", head):
                if re.search(r"\)\s*(?:noexcept\s*)?:\s*(?!:)", head) and re.search(r"[\w>]$", head):
                    stack.append(("other", None))  # {} of a member in a constructor's list
                    continue
                name = re.search(r"(~?[\w:]+|operator\s*\S+?)\s*\(", head)
                start = text.count("\n", 0, begin + len(text[begin:at]) - len(text[begin:at].lstrip())) + 1
                functions.append([name.group(1) if name else head[:40], start, None, count])
                stack.append(("function", len(functions) - 1))
            else:
                stack.append(("other", None))
            begin = at + 1 if stack[-1][0] != "other" else begin
        elif char == "}" and stack:
            kind, index = stack.pop()
            if kind == "function":
                functions[index][2] = line
            if kind != "other" or not any(k == "other" for k, _ in stack):
                begin = at + 1 if kind != "other" else begin
    return [tuple(f) for f in functions if f[2]], types
