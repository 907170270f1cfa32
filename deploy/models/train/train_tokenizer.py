#!/usr/bin/env python3
"""Trains the tokenizer of both models: SentencePiece BPE with byte fallback over the first documents of a seed.

  train_tokenizer.py --seed 1 --documents 12000 --out tokenizer.model
"""
import argparse
import io

import sentencepiece

from generate_corpus import document
from tokens import plain_text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=12000)
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--out", default="tokenizer.model")
    args = parser.parse_args()
    lines = (line for n in range(args.documents) for line in
             ("user\nassistant\nsystem\n" + plain_text(document(args.seed, n))).split("\n") if line)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=model, model_type="bpe", vocab_size=args.vocab, byte_fallback=True,
        character_coverage=1.0, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, control_symbols=["<|im_start|>", "<|im_end|>"],
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        split_digits=True, num_threads=1, minloglevel=1)
    with open(args.out, "wb") as file:
        file.write(model.getvalue())


if __name__ == "__main__":
    main()
