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


def copy_rows(batch, vocab, seed):
    """Makes every other row a random sequence said again and again, with only the repetitions to learn.

    A model that has met these first finds out within some hundred steps how to look up what was said before, which
    is what keeps a name the same through a story; without them it takes some thousand steps.
    """
    tokens, targets, mask, index = batch
    length = tokens.shape[1]
    generator = torch.Generator().manual_seed(seed)
    for row in range(0, tokens.shape[0], 2):
        period = int(torch.randint(8, 100, (1,), generator=generator))
        once = torch.randint(261, vocab, (period,), generator=generator)  # no control and no byte tokens
        text = once.repeat(length // period + 2)[:length + 1]
        tokens[row], targets[row] = text[:-1], text[1:]
        targets[row, :period - 1] = NOT_LEARNED
        mask[row] = torch.full((length, length), -3e4).triu(1)
    return tokens, targets, mask, index


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
