#!/usr/bin/env python3
"""Writes the corpus of the demo model: our own sentences only, one document a line, as JSON.

  generate_corpus.py --seed 1 --documents 30000 > corpus.jsonl

A line is a string (a story; it ends with the end-of-text token) or a list of [role, text] turns (a chat; each turn
ends with the end-of-turn token). The n-th document of a seed does not depend on how many are written.
"""
import argparse
import json
import random

from chats import chat
from plots import PLOTS
from tale import Tale

STORY_SHARE = 0.25


def document(seed, index):
    rng = random.Random(f"{seed}/{index}")
    if rng.random() < STORY_SHARE:
        return rng.choice(PLOTS)(Tale(rng, {"short": rng.random() < 0.3})).text
    return chat(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=30000)
    args = parser.parse_args()
    for index in range(args.documents):
        print(json.dumps(document(args.seed, index)))


if __name__ == "__main__":
    main()
