#!/usr/bin/env python3
"""Counts how often an exported model does what it is asked, from the GGUF file alone.

  wishes.py ../demo.gguf                 (greedy; 60 wishes)
  wishes.py ../demo.gguf --temperature 0.7 --seed 1 --show 2

The questions come from the lists of world.py and skills.py, drawn with a seed of their own. What is counted:
  hero, thing   the animal or villager and the thing of the wish stand in the story
  stays         whoever the first sentence brings in is still named in the last third of the story
  stopped       the story ended by itself before --max-tokens
  lesson        "What did we learn?" is answered with words of that story (one story in five does not say its lesson)
  lists         as many as asked for, all of the right kind, none twice
  villagers     the right name for a trade or a deed, the right place for a name
  names         the user's name is given back; half of the names stand in no list
"""
import argparse
import random
import re

import numpy as np

from facts import DEEDS
from gguf_model import Gguf, Runner, Tokenizer
from grammar import render
from sample import go_on
import skills
import world


class Chat:
    """One conversation with the model."""

    def __init__(self, gguf, tokenizer, args, rng):
        self.gguf, self.tokenizer, self.args, self.rng = gguf, tokenizer, args, rng
        self.runner, self.pending = Runner(gguf), [gguf.meta["tokenizer.ggml.bos_token_id"]]

    def ask(self, text):
        """The answer, and whether it ended by itself."""
        encode, special = self.tokenizer.encode, self.tokenizer.special
        start, end = special["<|im_start|>"], special["<|im_end|>"]
        for token in self.pending + [start] + encode(f"user\n{text}") + [end] + encode("\n") + [start] + encode("assistant\n"):
            logits = self.runner.step(token)
        ids, reason, _ = go_on(self.runner, logits, self.gguf, self.args, self.rng)
        self.pending = [end] + encode("\n")
        return self.tokenizer.decode(ids), reason == "stop"


def says(text, word):
    return re.search(rf"\b{re.escape(word)}\b", text) is not None


def stays(story):
    """The one whom the first sentence names is named in the last third, too."""
    first = re.split(r"(?<=[.!?]) ", story)[0]
    name = re.search(r"(?:called|named|whose name was) (\w+)", first) or re.search(r"\b([A-Z]\w+) the \w+", first)
    kind = re.search(rf"\b({'|'.join(world.ANIMALS)})\b", first)
    who = name.group(1) if name else kind.group(1) if kind else None
    return who is not None and says(story[-len(story) // 3:], who)


def stories(new_chat, picks, count, show):
    score = dict.fromkeys(("hero", "thing", "both", "stays", "stopped", "lesson"), 0)
    for n in range(count):
        hero = picks.choice(world.ANIMALS + [c[1] for c in world.CAST] + ["girl", "boy"])
        thing = picks.choice(world.SMALL)
        wish = render(picks, f"{{Tell me|Write|Please tell me}} a story about a {hero} and a {thing}.")
        chat = new_chat()
        story, stopped = chat.ask(wish)
        lesson = chat.ask("What did we learn?")[0] if stopped else ""
        found = dict(hero=says(story, hero), thing=says(story, thing), stays=stays(story), stopped=stopped,
                     lesson="that " in lesson and lesson.split("hat ", 1)[1].strip(". ") in story)
        found["both"] = found["hero"] and found["thing"]
        for key, value in found.items():
            score[key] += value
        if n < show:
            print(f"user: {wish}\nassistant: {story}\nuser: What did we learn?\nassistant: {lesson}\n{found}\n")
    return {key: (value, count) for key, value in score.items()}


def right_list(answer, items, n):
    given = [re.sub(r"^\d+\. ", "", x).strip(". ").lower() for x in re.split(r"\n|, | and ", answer)]
    return len(given) == n == len(set(given)) and set(given) <= {i.lower() for i in items}


def questions(new_chat, picks):
    score = {"lists": [], "villagers": [], "names": []}
    for what, items in skills.LISTS:
        for n in (2, 3, 4):
            for verb in ("List", "Name"):
                score["lists"].append(right_list(new_chat().ask(f"{verb} {skills.NUMBERS[n]} {what}.")[0], items, n))
    for name, job, _, where, _ in world.CAST:
        deed = render(picks, "{" + DEEDS[name] + "}")
        for question, answer in ((f"Who is the {job}?", name), (f"Where can I find {name}?", where), (f"Who {deed}?", name)):
            score["villagers"].append(says(new_chat().ask(question)[0], answer))
    for n in range(20):
        name, chat = picks.choice(world.GIRLS + world.BOYS) if n % 2 else world.anyname(picks), new_chat()
        chat.ask(f"Hello, my name is {name}.")
        score["names"].append(says(chat.ask("What is my name?")[0], name))
    return {key: (sum(value), len(value)) for key, value in score.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--wishes", type=int, default=60)
    parser.add_argument("--show", type=int, default=0, help="print the first stories")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1, help="of the sampling; the questions are always the same")
    parser.add_argument("--max-tokens", type=int, default=400)
    args = parser.parse_args()
    gguf, picks = Gguf(args.model), random.Random("wishes")
    tokenizer, rng = Tokenizer(gguf), np.random.default_rng(args.seed)
    new_chat = lambda: Chat(gguf, tokenizer, args, rng)
    score = stories(new_chat, picks, args.wishes, args.show)
    score.update(questions(new_chat, picks))
    print(", ".join(f"{key} {got} of {total}" for key, (got, total) in score.items()))


if __name__ == "__main__":
    main()
