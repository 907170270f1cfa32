#!/usr/bin/env python3
"""Prints the loss of an exported file over held-out documents: per token, and in bits per byte of the text learned.

  held_out.py ../demo.gguf --tokenizer tokenizer.model --documents 400
"""
import argparse
import math

import torch
import torch.nn.functional as F

from batches import learnable
from generate_corpus import document
from gguf_model import Gguf
from llama import Llama, Shape
import tokens
from train import HELD_OUT_SEED, weights_of


def load(path):
    m = Gguf(path).meta
    model = Llama(Shape(m["llama.vocab_size"], m["llama.embedding_length"], m["llama.block_count"], m["llama.attention.head_count"],
                        m["llama.attention.head_count_kv"], m["llama.feed_forward_length"]))
    model.load_state_dict(weights_of(path))
    return model


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tokenizer", default="tokenizer.model")
    parser.add_argument("--documents", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, spm = load(args.model), tokens.load(args.tokenizer)
    nats, count, size = 0.0, 0, 0
    for n in range(args.documents):
        doc = document(HELD_OUT_SEED, n)
        ids = tokens.document_ids(spm, doc)
        wanted = [i for i, flag in enumerate(learnable(spm, ids, not isinstance(doc, str))) if flag and i > 0]
        logits = model(torch.tensor([ids]))[0].float()
        nats += F.cross_entropy(logits[[i - 1 for i in wanted]], torch.tensor([ids[i] for i in wanted]), reduction="sum").item()
        count += len(wanted)
        size += len(doc.encode()) if isinstance(doc, str) else sum(len(text.encode()) for role, text in doc if role == "assistant")
    print(f"{count} tokens, {size} bytes: {nats / count:.4f} nats per token, {nats / math.log(2) / size:.4f} bits per byte")


if __name__ == "__main__":
    main()
