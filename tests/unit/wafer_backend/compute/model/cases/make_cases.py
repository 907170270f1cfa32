"""Writes byte_pair.json and sentence_piece.json: small vocabularies trained by the reference libraries on the sentences below,
and what these libraries make of a set of texts. Anyone may run it again:

    python3 -m venv --system-site-packages venv && venv/bin/pip install tokenizers==0.23.3 sentencepiece
    venv/bin/python make_cases.py [--cases N] [--out FOLDER]

The test reads FOLDER instead of this one if the environment's WAFERLINE_TOKENIZER_CASES names it, so that many more cases than
the committed ones can be tried.

Made with tokenizers 0.23.3 and sentencepiece 0.1.97.
"""

import argparse
import io
import json
import pathlib
import random

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = """
The wafer sends one token down the line, and the next stage picks it up.
We don't know why she's late, but they'll tell us when they've come back.
I'd say it's 12345 steps, or 3.14 miles, from here to the old mill in 2024.
Small birds open the window; the river runs over stones under the bridge.
Wer früh kommt, der hört die Vögel über dem Fluss, sagt die Großmutter.
L'été dernier, où étais-tu ? Ça va très bien, merci beaucoup !
Вчера мы шли по берегу реки и говорили о новых звёздах.
今日は川の上を鳥が飛んでいます。明日も晴れるでしょう。
모든 강은 바다로 흐른다. 작은 새가 노래한다.
def main(argument): return {"key": [1, 2, 3]}
مرحبا بكم في النهر القديم
""".strip("\n").split("\n") + ["if argument > 0:\n\t\treturn None\n\n    else:\r\n", "  two  spaces   three    four"]

FRAGMENTS = ["the", "The", "THE", " token", "wafer", "'s", "'S", "'re", "'LL", "'\u017f", "'", "don't", "1", "12", "123", "1234",
             "\u0663\u0664", "\u00b2", "\u2167", "\u00bd", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n ", "\u00a0",
             "\u3000", "\u2028", "\u0085", "\u180e", "\u200b", "\u1680", "\ufeff", "\v", "\f", "\x1c", "!", "?!", "...", ", ", "-", "_",
             "{", "}", "()", "[1]", "über", "Größe", "e\u0301", "\u0301", "Вчера", "мы", "今日は", "川", "모든", "مرحبا", "नमस्ते",
             "\U0001f600", "\U0001f468\u200d\U0001f469", "\u2603", "\U00010400", "<tool>", "<tool", "</s>", "<s>", "<|end|>", "zebra",
             " zebra", "x", "xyz", "QQQ", "\x00", "\x7f", "a" * 40, "ab" * 20, "\u01c5", "\u02b0", "\u0e01\u0e33", "=" * 9, " ="]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def texts(count, banned=()):
    rng = random.Random(7)
    fixed = ["", " ", "a", "Hello", " Hello", "Hello  world ", *CORPUS]
    for text in fixed:
        yield text
    for _ in range(count - len(fixed)):
        text = "".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 12)))
        if not any(b in text for b in banned):
            yield text


def byte_pair(count):
    families = []
    for name, pattern, ignore in (("gpt-2", GPT2, False), ("llama-bpe", LLAMA3, True), ("qwen2", QWEN2, False)):
        split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = split
        trained.normalizer = normalizers.NFC() if name == "qwen2" else None
        trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        trained.train_from_iterator(CORPUS * 3, trainer)
        state = json.loads(trained.to_str())["model"]
        vocab = state["vocab"]
        # Words that no merge leads to: only taking whole words finds them.
        for word in ("zebra", "Ġzebra", "xyz"):
            vocab.setdefault(word, len(vocab))
        merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in state["merges"]]
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore))
        tokenizer.pre_tokenizer = split
        tokenizer.normalizer = trained.normalizer
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
        tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
        cases = [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids} for t in texts(count)]
        families.append({"pre": name, "tokens": tokens, "types": [4 if t == "<tool>" else 1 for t in tokens],
                         "merges": [" ".join(m) for m in merges], "cases": cases})
    return families


def sentence_piece(count):
    families = []
    for prefix, fallback in ((True, True), (False, False)):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 3), model_writer=model, model_type="bpe", vocab_size=520 if fallback else 380,
            byte_fallback=fallback, normalization_rule_name="identity", add_dummy_prefix=prefix, remove_extra_whitespaces=False,
            user_defined_symbols=["<tool>", "wafers"], character_coverage=0.98, minloglevel=2)
        sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        kinds = []
        for i in range(sp.get_piece_size()):
            piece = sp.id_to_piece(i)
            kinds.append(2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else
                         4 if piece in ("<tool>", "wafers") else 1)
        cases = [{"text": t, "ids": sp.encode(t)} for t in texts(count, banned=("\u2581", "\x00"))]
        families.append({"add_space_prefix": prefix, "tokens": [sp.id_to_piece(i) for i in range(sp.get_piece_size())],
                         "scores": [sp.get_score(i) for i in range(sp.get_piece_size())], "types": kinds, "cases": cases})
    return families


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=150)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()
    for name, families in (("byte_pair", byte_pair(args.cases)), ("sentence_piece", sentence_piece(args.cases))):
        rows = [json.dumps(f, ensure_ascii=True, separators=(",", ":")) for f in families]
        (args.out / f"{name}.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
