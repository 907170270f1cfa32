"""Texts that are hard to tokenise: 30 scripts, emoji, code, white space; the same ones for the same seed."""

import random
import unicodedata

# First and last code point of each script's block; unassigned ones are left out.
SCRIPTS = {
    "Latin": (0x41, 0x7A), "Latin-1": (0xA1, 0xFF), "Latin Extended": (0x100, 0x24F), "Greek": (0x370, 0x3FF),
    "Greek Extended": (0x1F00, 0x1FFF), "Cyrillic": (0x400, 0x52F), "Armenian": (0x531, 0x58A), "Hebrew": (0x591, 0x5F4),
    "Arabic": (0x600, 0x6FF), "Syriac": (0x700, 0x74F), "Thaana": (0x780, 0x7B1), "Devanagari": (0x900, 0x97F),
    "Bengali": (0x980, 0x9FE), "Gurmukhi": (0xA01, 0xA76), "Gujarati": (0xA81, 0xAFF), "Tamil": (0xB82, 0xBFA),
    "Telugu": (0xC00, 0xC7F), "Kannada": (0xC80, 0xCF2), "Malayalam": (0xD00, 0xD7F), "Sinhala": (0xD81, 0xDF4),
    "Thai": (0xE01, 0xE5B), "Lao": (0xE81, 0xEDF), "Tibetan": (0xF00, 0xFDA), "Myanmar": (0x1000, 0x109F),
    "Georgian": (0x10A0, 0x10FF), "Ethiopic": (0x1200, 0x1399), "Cherokee": (0x13A0, 0x13FD), "Khmer": (0x1780, 0x17F9),
    "Mongolian": (0x1800, 0x18AA), "Hiragana": (0x3041, 0x309F), "Katakana": (0x30A0, 0x30FF), "Bopomofo": (0x3105, 0x312F),
    "Han": (0x4E00, 0x9FA5), "Hangul": (0xAC00, 0xD7A3), "Hangul Jamo": (0x1100, 0x11FF), "Deseret": (0x10400, 0x1044F),
    "Fullwidth": (0xFF01, 0xFFEF), "Vietnamese": (0x1EA0, 0x1EF9), "Marks": (0x300, 0x36F), "Numbers": (0x2150, 0x218B),
    "Symbols": (0x2190, 0x23FF), "Punctuation": (0x2010, 0x205E), "CJK punctuation": (0x3000, 0x303F),
}
EMOJI = ["\U0001F600", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\u2764\uFE0F", "\U0001F1E9\U0001F1EA", "\U0001F44D\U0001F3FD", "\u2603"]
SPACES = [" ", "  ", "   ", "      ", " " * 23, "\t", "\n", "\n\n", "\r\n", "\r", " \n ", "\u00A0", "\u3000", "\u2028", "\u0085", "\u200B", "\u1680",
          "\v", "\f", "\n\t\t", "    \n"]
CODE = ["def f(x):\n    return x + 1\n", "if (a >= 10 && b != 0x1F) { c[i]++; }", "<a href=\"x.html\">1,234.56</a>", "for (;;) ;",
        "SELECT * FROM t WHERE id = 1000000;", "a_b = 'it\\'s'", "#include <vector>\n\n\n\nint main() {}\t// end", "$HOME/.x|y^z~`w`",
        "{\"k\": [1, 22, 333, 4444, 55555]}", "x = y**2 /* 3.14e-10 */"]
WORDS = ["the", " The", "THE", " wafer", "'s", "'S", "'re", "'LL", "don't", "I'VE", "1", "12", "123", "1234", "12345678", " 42", "\u0663\u0664\u0665",
         "\u00B2", "\u216B", "\u00BD", "!", "?!", "...", ", ", "-", "_", "/", "//", "{}", "camelCase", "HTTPServer", "e\u0301", "Tie\u0302\u0301ng",
         "\u01C5", "\u02B0", "\u4ECA\u65E5\u306F", "3rd", "x\u0301y", "zebra", " zebra", "\u0344", "\u212B", "\uFB01", "\u1E9B\u0323", "a" * 30]


# `tokenizers` 0.23 has Unicode tables that are older than these characters, or than their properties.
NEWER = {0xEBA, 0xC84}


def word_of(draw, script):
    first, last = SCRIPTS[script]
    assigned = [c for c in range(first, last + 1) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co") and c not in NEWER]
    return "".join(chr(draw.choice(assigned)) for _ in range(draw.randint(1, 7)))


def texts(count, seed=7):
    draw = random.Random(seed)
    for i in range(count):
        script = list(SCRIPTS)[i % len(SCRIPTS)]
        parts = []
        for _ in range(draw.randint(1, 9)):
            kind = draw.randrange(9)
            parts.append(word_of(draw, script) if kind < 3 else draw.choice(SPACES) if kind < 5 else draw.choice(WORDS) if kind < 7
                         else draw.choice(CODE) if kind == 7 else draw.choice(EMOJI))
        yield "".join(parts)
