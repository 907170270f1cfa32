"""Batches out of the endless corpus: one whole document a row."""
import random

import torch

from generate_corpus import document
from tokens import END_TURN, EOS, TURN, document_ids

NOT_LEARNED = -100
WAITING = 16  # batches that are put together at a time


def learnable(model, ids, is_chat):
    """True where the model should learn to write the token: all of a story, the assistant's words of a chat."""
    if not is_chat:
        return [True] * len(ids)
    flags, inside = [], False
    head = model.encode("assistant\n")
    for i, token in enumerate(ids):
        flags.append(inside)
        if token == TURN:
            inside = False
            start = i + 1 + len(head)
            speaks = ids[i + 1:start] == head
        elif token == END_TURN:
            inside = False
        elif i > 0 and i + 1 == start and speaks:
            inside = True
    return flags


def documents(model, seed, first, longest):
    """Yields (tokens, targets, next document index) without end; what is longer than `longest` is cut."""
    index = first
    while True:
        doc = document(seed, index)
        index += 1
        ids = document_ids(model, doc)
        allowed = learnable(model, ids, not isinstance(doc, str))
        targets = [t if flag else NOT_LEARNED for t, flag in zip(ids[1:], allowed[1:])] + [NOT_LEARNED]
        yield ids[:longest], targets[:longest], index


def padded(rows, fill):
    length = max(map(len, rows))
    return torch.tensor([r + [fill] * (length - len(r)) for r in rows])


def batches(model, seed, first, size, longest):
    """Yields tokens [rows, length], targets [rows, length] (-100: not learned), next index; rows * length is about size.

    A batch holds documents of like length, so that little is padding and attention spans no more than one document.
    WAITING batches' worth of documents is sorted at a time, and the batches come in an order drawn from the seed.
    """
    source = documents(model, seed, first, longest)
    while True:
        waiting, total = [], 0
        while total < WAITING * size:
            waiting.append(next(source))
            total += len(waiting[-1][0])
        index, groups = waiting[-1][2], [[]]
        for doc in sorted(waiting, key=lambda d: len(d[0])):
            if (len(groups[-1]) + 1) * len(doc[0]) > size and groups[-1]:
                groups.append([])
            groups[-1].append(doc)
        random.Random(f"{seed}/{index}").shuffle(groups)
        for group in groups:
            yield padded([d[0] for d in group], EOS), padded([d[1] for d in group], NOT_LEARNED), index
