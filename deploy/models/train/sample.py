#!/usr/bin/env python3
"""Writes text with an exported model, from the GGUF file alone.

  sample.py ../demo.gguf --text "Once upon a time" --temperature 0.8 --seed 7
  sample.py ../demo.gguf --chat "Who keeps the lighthouse?"        (several --chat: turns, answered one by one)
  sample.py ../demo.gguf --check demo.pt --tokenizer tokenizer.model   (logits and tokens against the training's)
"""
import argparse

import numpy as np

from gguf_model import Gguf, Runner, Tokenizer


def draw(logits, temperature, top_p, rng):
    if temperature == 0:
        return int(np.argmax(logits))
    p = np.exp((logits - logits.max()) / temperature)
    p /= p.sum()
    order = np.argsort(-p)
    keep = order[:int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1]
    return int(rng.choice(keep, p=p[keep] / p[keep].sum()))


def go_on(runner, logits, gguf, args, rng):
    stops, ids = {gguf.meta["tokenizer.ggml.eos_token_id"], gguf.meta["tokenizer.ggml.eot_token_id"]}, []
    while len(ids) < args.max_tokens:
        token = draw(logits, args.temperature, args.top_p, rng)
        if token in stops:
            return ids, "stop", token
        ids.append(token)
        logits = runner.step(token)
    return ids, "length", None


def check(gguf, args):
    import torch
    import tokens
    from generate_corpus import document
    from llama import Llama, Shape
    saved, spm, own = torch.load(args.check), tokens.load(args.tokenizer), Tokenizer(gguf)
    model = Llama(Shape(**saved["shape"]), dtype=torch.float32)
    same = Llama(Shape(**saved["shape"]), dtype=torch.float32)  # with the file's own, rounded weights
    model.load_state_dict(saved["weights"])
    same.load_state_dict({k[:-len(".weight")]: torch.tensor(v) for k, v in gguf.tensors.items()})
    exact, worst, agree, total = 0.0, 0.0, 0, 0
    for n in range(3):
        doc = document(3, n)
        text = tokens.plain_text(doc)
        assert own.encode(text) == spm.encode(text), "the tokenizer in the file differs from SentencePiece"
        ids = tokens.document_ids(spm, doc)[:120]
        runner = Runner(gguf)
        ours = np.stack([runner.step(t) for t in ids])
        with torch.no_grad():
            theirs = model(torch.tensor([ids]))[0].numpy()
            rounded = same(torch.tensor([ids]))[0].numpy()
        exact = max(exact, float(np.abs(ours - rounded).max()))
        worst = max(worst, float(np.abs(ours - theirs).max()))
        agree, total = agree + int((ours.argmax(1) == theirs.argmax(1)).sum()), total + len(ids)
    assert exact < 1e-3, f"the file computes other logits than the training's model: {exact}"
    print(f"largest logit difference {exact:.1e} with the same weights, {worst:.3f} through Q8_0; same best token {agree} of {total}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("--chat", action="append", default=[])
    parser.add_argument("--system")
    parser.add_argument("--check", help="training weights to compare with")
    parser.add_argument("--tokenizer", default="tokenizer.model")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=400)
    args = parser.parse_args()
    gguf = Gguf(args.model)
    tokenizer, rng = Tokenizer(gguf), np.random.default_rng(args.seed)
    if args.check:
        check(gguf, args)
    for text in args.text:
        runner = Runner(gguf)
        for token in [gguf.meta["tokenizer.ggml.bos_token_id"]] + tokenizer.encode(text):
            logits = runner.step(token)
        ids, reason, _ = go_on(runner, logits, gguf, args, rng)
        print(f"{text}{tokenizer.decode(ids)}\n[{len(ids)} tokens, {reason}]\n")
    if args.chat:
        runner = Runner(gguf)
        start, end = tokenizer.special["<|im_start|>"], tokenizer.special["<|im_end|>"]
        turn = lambda role, text: [start] + tokenizer.encode(f"{role}\n{text}") + [end] + tokenizer.encode("\n")
        pending = [gguf.meta["tokenizer.ggml.bos_token_id"]] + (turn("system", args.system) if args.system else [])
        for text in args.chat:
            for token in pending + turn("user", text) + [start] + tokenizer.encode("assistant\n"):
                logits = runner.step(token)
            ids, reason, _ = go_on(runner, logits, gguf, args, rng)
            pending = [end] + tokenizer.encode("\n")
            print(f"user: {text}\nassistant: {tokenizer.decode(ids)}\n[{len(ids)} tokens, {reason}]\n")


if __name__ == "__main__":
    main()
