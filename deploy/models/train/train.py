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
from llama import Llama, Shape
from muon import Optimiser
import pointer
import tokens

HELD_OUT_SEED = 2


def loss_of(model, batch):
    logits = model(batch[0], batch[2]).float()
    return F.cross_entropy(logits.view(-1, logits.shape[-1]), batch[1].view(-1), ignore_index=NOT_LEARNED)


@torch.no_grad()
def held_out(model, spm, rows, length, count):
    source = batches(spm, HELD_OUT_SEED, 0, rows, length)
    return sum(loss_of(model, next(source)).item() for _ in range(count)) / count


def rate_scale(step, steps, fall=0.7):
    return min(1.0, (step + 1) / 50, (steps - step) / (steps * fall))


def save(path, model, optimiser, step, index, seen):
    torch.save({"shape": dataclasses.asdict(model.shape), "weights": model.state_dict(), "optimiser": optimiser.state(),
                "step": step, "index": index, "seen": seen}, path + ".part")
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", default="tokenizer.model")
    parser.add_argument("--out", default="demo.pt")
    parser.add_argument("--from", dest="start", help="weights to start from, if --out does not exist yet")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-document", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--until", type=int, help="stop at this step, to go on later with other rows and length")
    parser.add_argument("--pointer", type=float, default=0.0, help="weight of pointer_loss")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--length", type=int, default=320)
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
        model.load_state_dict(torch.load(args.start)["weights"])
    if args.pointer:
        pointer.block_of(model).keep_attention = True
        mentions = pointer.mention_ids(spm)
    source = batches(spm, args.seed, index, args.rows, args.length)
    began, first = time.time(), step
    until = min(args.steps, args.until or args.steps)
    while step < until:
        batch = next(source)
        loss = loss_of(model, batch)
        hint = pointer.pointer_loss(model, batch, mentions) if args.pointer else torch.zeros(())
        (loss + args.pointer * hint).backward()
        optimiser.step(args.rate * rate_scale(step, args.steps))
        step, index, seen = step + 1, batch[3], seen + batch[0].numel()
        if not math.isfinite(loss.item()):
            raise SystemExit(f"step {step}: the loss is {loss.item()}; resume from {args.out} with a smaller --rate")
        if step % 20 == 0:
            speed = (step - first) * batch[0].numel() / (time.time() - began)
            print(f"step {step} documents {index} tokens {seen} loss {loss.item():.4f} hint {hint.item():.2f} tokens/s {speed:.0f}", flush=True)
        if step % 100 == 0 or step == until:
            print(f"step {step} held-out {held_out(model, spm, args.rows, args.length, 4):.4f}", flush=True)
            save(args.out, model, optimiser, step, index, seen)


if __name__ == "__main__":
    main()
