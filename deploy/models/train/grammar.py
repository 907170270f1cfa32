"""The template language of the corpus.

  {a|b|c}      one alternative, chosen at random; nests; an empty one makes the part optional
  [a]  [a he]  a slot, and a form of it: every slot value has a method form(name, rng) -> str
The first letter of a text, of a sentence and of a speech is made a capital, and "a" becomes "an" before a vowel.
"""
import re

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"\[(\w+)(?: (\w+))?\]")
_START = re.compile(r'(^|[.!?] |(?:^|[ \n])")([a-z])')
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU](?!ne\b|nce\b|se\w))")


def render(rng, template, **slots):
    while True:
        template, count = _CHOICE.subn(lambda m: rng.choice(m.group(1).split("|")), template)
        if not count:
            break
    text = _SLOT.sub(lambda m: slots[m.group(1)].form(m.group(2) or "", rng), template)
    text = " ".join(text.split(" ")).replace("  ", " ").replace(" ,", ",").replace(" .", ".").strip()
    text = _ARTICLE.sub(r"\1n ", text)
    return _START.sub(lambda m: m.group(1) + m.group(2).upper(), text)


class Word:
    """A slot that is the same in every form."""

    def __init__(self, text):
        self.text = text

    def form(self, name, rng):
        return self.text[0].upper() + self.text[1:] if name == "cap" else self.text
