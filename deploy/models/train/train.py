#!/usr/bin/env python3
"""Trains a model on the endless corpus; runs on one core with Debian's PyTorch and can be stopped and resumed.

  train.py --tokenizer tokenizer.model --out demo.pt --steps 2000          (again with the same --out: resumes)
  train.py ... --dim 128 --layers 2 --heads 4 --kv-heads 2 --ffn 256       (the draft)
The learning rate rises over 50 steps, stays, and falls linearly to nothing over the last 70 % of the steps.
The held-out loss is over documents of another seed, which training never sees.
"""
import argparse
import dataclasses
import math
import os
import time

import torch
import torch.nn.functional as F

from batches import NOT_LEARNED, batches
from gguf_model import Gguf
from llama import Llama, Shape
from muon import Optimiser
import pointer
import tokens

HELD_OUT_SEED = 2


def loss_of(model, batch):
    tokens, targets = batch[:2]
    learned = targets != NOT_LEARNED
    return F.cross_entropy(model(tokens, learned).float(), targets[learned])


def taught_loss(model, teacher, batch):
    """Cross entropy against all that the teacher would have said, instead of the one token that the corpus says."""
    learned = batch[1] != NOT_LEARNED
    with torch.no_grad():
        wanted = teacher(batch[0], learned).float().softmax(-1)
    return F.cross_entropy(model(batch[0], learned).float(), wanted)


@torch.no_grad()
def held_out(model, spm, size, longest, count):
    source = batches(spm, HELD_OUT_SEED, 0, size, longest)
    return sum(loss_of(model, next(source)).item() for _ in range(count)) / count


def rate_scale(step, steps, fall=0.7):
    return min(1.0, (step + 1) / 50, (steps - step) / (steps * fall))


def weights_of(path):
    """Weights of a checkpoint, or of an exported file as the file holds them, rounded."""
    if path.endswith(".gguf"):
        return {name[:-len(".weight")]: torch.tensor(value) for name, value in Gguf(path).tensors.items()}
    return torch.load(path)["weights"]


def loaded(path):
    model = Llama(Shape(**torch.load(path)["shape"]))
    model.load_state_dict(weights_of(path))
    return model


def save(path, model, optimiser, step, index, seen):
    torch.save({"shape": dataclasses.asdict(model.shape), "weights": model.state_dict(), "optimiser": optimiser.state(),
                "step": step, "index": index, "seen": seen}, path + ".part")
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="tokenizer.model")
    parser.add_argument("--out", default="demo.pt")
    parser.add_argument("--from", dest="start", help="weights to start from, if --out does not exist yet: a checkpoint, or an exported .gguf file")
    parser.add_argument("--teacher", help="checkpoint of a larger model to learn from: a draft should guess what that one says")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-document", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--until", type=int, help="stop at this step, to go on later with another --tokens")
    parser.add_argument("--pointer", type=float, default=0.0, help="weight of pointer_loss")
    parser.add_argument("--tokens", type=int, default=2560, help="tokens in a batch")
    parser.add_argument("--longest", type=int, default=1024, help="documents are cut there")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on both learning rates")
    for name, default in (("dim", 256), ("layers", 6), ("heads", 8), ("kv-heads", 4), ("ffn", 512)):
        parser.add_argument("--" + name, type=int, default=default)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    spm = tokens.load(args.tokenizer)
    model = Llama(Shape(spm.vocab_size(), args.dim, args.layers, args.heads, args.kv_heads, args.ffn))
    optimiser = Optimiser(model)
    step, index, seen = 0, args.first_document, 0
    if os.path.exists(args.out):
        saved = torch.load(args.out)
        optimiser.restore(saved["optimiser"])
        step, index, seen = saved["step"], saved["index"], saved["seen"]
        model.load_state_dict(saved["weights"])
    elif args.start:
        model.load_state_dict(weights_of(args.start))
    if args.pointer:
        pointer.block_of(model).keep_attention = True
        mentions = pointer.mention_ids(spm)
    teacher = loaded(args.teacher) if args.teacher else None
    source = batches(spm, args.seed, index, args.tokens, args.longest)
    began, before = time.time(), seen
    until = min(args.steps, args.until or args.steps)
    while step < until:
        batch = next(source)
        loss = taught_loss(model, teacher, batch) if teacher else loss_of(model, batch)
        hint = pointer.pointer_loss(model, batch, mentions) if args.pointer else torch.zeros(())
        (loss + args.pointer * hint).backward()
        optimiser.step(args.rate * rate_scale(step, args.steps))
        step, index, seen = step + 1, batch[2], seen + batch[0].numel()
        if not math.isfinite(loss.item()):
            raise SystemExit(f"step {step}: the loss is {loss.item()}; resume from {args.out} with a smaller --rate")
        if step % 20 == 0:
            speed = (seen - before) / (time.time() - began)
            print(f"step {step} documents {index} tokens {seen} loss {loss.item():.4f} hint {hint.item():.2f} tokens/s {speed:.0f}", flush=True)
        if step % 100 == 0 or step == until:
            print(f"step {step} held-out {held_out(model, spm, args.tokens, args.longest, 16):.4f}", flush=True)
            save(args.out, model, optimiser, step, index, seen)


if __name__ == "__main__":
    main()
