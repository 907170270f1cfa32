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
  five          three to five different names of the list, as many as asked for
  json          one JSON object with the fields that were asked for, and what the village says of them
  tools         weather and add: called with the right arguments, and the result is in the answer
  no_tool       a tool is offered that does not help: an answer without a call
  not_offered   questions for tools that nobody offers: an answer without a call
  limits        what lies outside is refused, and it says that it is a small demo model
"""
import argparse
import json
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

    def say(self, role, text):
        """A turn that is not answered."""
        encode, special = self.tokenizer.encode, self.tokenizer.special
        self.pending += [special["<|im_start|>"]] + encode(f"{role}\n{text}") + [special["<|im_end|>"]] + encode("\n")

    def ask(self, text, role="user"):
        """The answer, and whether it ended by itself."""
        self.say(role, text)
        encode, special = self.tokenizer.encode, self.tokenizer.special
        start, end = special["<|im_start|>"], special["<|im_end|>"]
        for token in self.pending + [start] + encode("assistant\n"):
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


def call_of(answer):
    """Name and arguments of the one call that an answer is, or None."""
    found = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", answer, re.DOTALL)
    try:
        return found and json.loads(found.group(1))
    except ValueError:
        return None


def use_tools(new_chat, picks):
    """Of round trips and of questions that need no tool: whether each went well."""
    called, plain = [], []
    for n in range(30):
        a, b, spot, sky = picks.randint(2, 60), picks.randint(2, 60), picks.choice(world.PLACES), picks.choice(world.SKIES)
        chat, weather = new_chat(), n % 2 == 0
        chat.say("system", "Tools: " + picks.choice(["get_weather(place), add(a, b)", "add(a, b), get_weather(place)", "get_weather(place)" if weather else "add(a, b)"]))
        wanted = {"name": "get_weather", "arguments": {"place": spot.name}} if weather else {"name": "add", "arguments": {"a": a, "b": b}}
        call = call_of(chat.ask(f"What is the weather {spot.at}?" if weather else f"What is {a} + {b}?")[0])
        answer = chat.ask(json.dumps({"weather": sky}) if weather else str(a + b), "tool")[0]
        called.append(call == wanted and says(answer, sky if weather else str(a + b)))
    for question in ("Who is the baker?", "Hello", "What is the capital of France?", "Name three animals.", "Where is Otto?", "Who are you?", "What is a wafer?", "Tell me a joke.", "Who keeps the lighthouse?", "Thank you"):
        chat = new_chat()
        chat.say("system", "Tools: get_weather(place), add(a, b)")
        answer, stopped = chat.ask(question)
        plain.append(stopped and "<" not in answer)
    questions = ["Add 12 and 30.", "What is the sum of 17 and 25?", "What is 3 + 4?", "What's the weather in London today?", "Tell me the weather in Paris."]
    alone = [new_chat().ask(question) for question in questions + [f"What is the weather {spot.at}?" for spot in world.PLACES[:5]]]
    absent = [stopped and "<" not in answer for answer, stopped in alone]
    return {"tools": (sum(called), len(called)), "no_tool": (sum(plain), len(plain)), "not_offered": (sum(absent), len(absent))}


def forms(new_chat):
    """Lists of names, JSON, and polite refusals."""
    names = {c[0] for c in world.CAST}
    five, objects, limits = [], [], []
    for n in (3, 4, 5):
        for ask in ("Name {} villagers.", "Name {} people of Larkhaven.", "Can you name {} villagers?", "List {} villagers."):
            given = re.findall(r"[A-Z][a-z]+", new_chat().ask(ask.format(skills.NUMBERS[n]))[0])
            five.append(len(given) == n == len(set(given)) and set(given) <= names)
    for name, trade, _, _, _ in world.CAST:
        for ask in (f"Who is the {trade}? Answer as JSON with name and trade.", f"Tell me about {name} as JSON."):
            try:
                objects.append(json.loads(new_chat().ask(ask)[0]) == {"name": name, "trade": trade})
            except ValueError:
                objects.append(False)
    for question in ("What is the capital of Spain?", "Write some Python code.", "Explain quantum physics.", "How do I fix my car?", "Who was Napoleon?", "Translate hello into French.",
                     "What is the highest mountain?", "Tell me the news.", "Who won the world cup?", "Can you write code?"):
        limits.append(says(new_chat().ask(question)[0], "demo model"))
    return {"five": (sum(five), len(five)), "json": (sum(objects), len(objects)), "limits": (sum(limits), len(limits))}


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
    score.update(forms(new_chat))
    score.update(use_tools(new_chat, picks))
    print(", ".join(f"{key} {got} of {total}" for key, (got, total) in score.items()))


if __name__ == "__main__":
    main()
