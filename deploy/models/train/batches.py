"""Batches out of the endless corpus: rows of one stream of documents, each document blind to the one before it."""
import torch

from generate_corpus import document
from tokens import BOS, END_TURN, TURN, document_ids

NOT_LEARNED = -100


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


def stream(model, seed, first):
    """Yields (token, target allowed, starts a document, next document index) without end."""
    index = first
    while True:
        doc = document(seed, index)
        index += 1
        ids = document_ids(model, doc)
        for token, flag in zip(ids, learnable(model, ids, not isinstance(doc, str))):
            yield token, flag, token == BOS, index


def batches(model, seed, first, rows, length):
    """Yields tokens [rows, length], targets [rows, length] (-100: not learned), mask [rows,1,1,length,length], next index."""
    source = stream(model, seed, first)
    causal = torch.full((length, length), -3e4).triu(1)
    while True:
        flat = [next(source) for _ in range(rows * length + 1)]
        index = flat[-1][3]
        tokens = torch.tensor([f[0] for f in flat])
        allowed = torch.tensor([f[1] for f in flat])
        starts = torch.tensor([f[2] for f in flat[:-1]]).view(rows, length)
        targets = torch.where(allowed[1:], tokens[1:], torch.tensor(NOT_LEARNED)).view(rows, length)
        part = starts.cumsum(1)
        other = (part.unsqueeze(2) != part.unsqueeze(1)).float() * -3e4
        yield tokens[:-1].view(rows, length), targets, torch.minimum(causal, other).view(rows, 1, 1, length, length), index
