"""Our tokenizers against Hugging Face's `tokenizers`: vocabularies trained here with each model's own pre-tokenizer, as its
tokenizer.json publishes it, on texts of many scripts."""

import functools
import io
import json
import os
import pathlib
import re
import subprocess

import gguf
import pytest
import sentencepiece
import transformers
from texts import texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

WAFERCTL = pathlib.Path(os.environ["WAFERLINE_BIN_DIR"]) / "waferctl"
ROOT = pathlib.Path(__file__).parents[2]
DEMO = ROOT / "deploy/models/demo.gguf"
TEXTS = list(texts(int(os.environ.get("WAFERLINE_TEXTS", "2200"))))

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + END
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + END
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"


def cased(upper, lower, end):
    return rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+{end}|[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*{end}|"


TEKKEN = cased(UPPER, LOWER, "") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + END
GPT4O = cased(UPPER, LOWER, CONTRACTION + "?") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + END
KIMI = r"[\p{Han}]+|" + cased(UPPER + r"&&[^\p{Han}]", LOWER + r"&&[^\p{Han}]", CONTRACTION + "?") + \
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + END
CASED_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\u1f5f-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌ"
    "\u1fd0-\u1fd3\u1fd6-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
HAN_AND_HANGUL = "[一-龥ࠀ-一가-\ud7ff]+"
PUNCTUATION_WORDS = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"
AFMOE_SCRIPTS = ("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff"
                 "\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"


def split(*patterns):
    return [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]


BYTES = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
GPT2 = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
EACH_DIGIT = [pre_tokenizers.Digits(individual_digits=True)]

# Name, the published steps, and what goes with them.
SCHEMES = {
    "gpt-2": (GPT2, ""), "mpt": (GPT2, "nfc"), "olmo": (GPT2, "nfc"), "phi-2": (GPT2, ""), "jina-v2-code": (GPT2, ""),
    "smollm": (EACH_DIGIT + GPT2, ""), "starcoder": (EACH_DIGIT + GPT2, ""), "refact": (EACH_DIGIT + GPT2, ""),
    "command-r": (EACH_DIGIT + GPT2, "nfc"), "exaone": (EACH_DIGIT + GPT2, ""), "minerva-7b": (EACH_DIGIT + GPT2, ""),
    "llama-bpe": (split(LLAMA3) + BYTES, "whole"), "falcon3": (split(LLAMA3) + BYTES, "whole"), "dbrx": (split(LLAMA3) + BYTES, ""),
    "smaug-bpe": (split(LLAMA3) + BYTES, ""), "chatglm-bpe": (split(LLAMA3) + BYTES, ""), "glm4": (split(LLAMA3) + BYTES, ""),
    "qwen2": (split(QWEN2) + BYTES, "nfc"), "deepseek-r1-qwen": (split(QWEN2) + BYTES, "nfc"), "stablelm2": (split(QWEN2) + BYTES, "nfc"),
    "hunyuan": (split(QWEN2) + BYTES, "nfc"), "qwen35": (split(QWEN35) + BYTES, "nfc"), "tekken": (split(TEKKEN) + BYTES, "whole"),
    "gpt-4o": (split(GPT4O) + BYTES, ""), "llama4": (split(GPT4O) + BYTES, ""), "minimax-m2": (split(GPT4O) + BYTES, ""),
    "kimi-k2": (split(KIMI) + BYTES, ""),
    "deepseek-llm": (split(r"[\r\n]", rf"\s?[{CASED_LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", HAN_AND_HANGUL)
                     + EACH_DIGIT + BYTES, ""),
    "deepseek-coder": (split(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN_AND_HANGUL) + EACH_DIGIT + BYTES, ""),
    "deepseek-v3": (split(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", PUNCTUATION_WORDS + r"[\r\n]*" + END) + BYTES, ""),
    "hunyuan-dense": (split(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", PUNCTUATION_WORDS + r"[\r\n]*" + END) + BYTES, ""),
    "falcon": ([pre_tokenizers.Punctuation("contiguous")] + GPT2 + [pre_tokenizers.Digits(individual_digits=False)]
               + split("[0-9][0-9][0-9]"), ""),
    "default": (split(r"[\p{P}\$\+<=>\^~\|]+", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)", r"\p{N}+",
                      "[0-9][0-9][0-9]") + BYTES, ""),
    "bloom": (split(BLOOM) + BYTES, ""), "viking": (split(BLOOM) + EACH_DIGIT + BYTES, ""),
    "superbpe": (split(r"\p{N}+", r"(?=(\d{3})+(?!\d))") + BYTES, ""),
    "bailingmoe": (split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
                   + BYTES, ""),
    "seed-coder": (split(CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + END) + BYTES, ""),
    "exaone-moe": (split(CONTRACTION + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]"
                         r"|\s+(?!\S)|\s+") + BYTES, ""),
    "tiny_aya": (split(r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O) + BYTES, ""),
    "jais-2": (split(LLAMA3.removesuffix(r"|\s+(?!\S)|\s+") + r"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)"
                     r"|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}") + BYTES, ""),
    "ufakzeka": (split(QWEN2.removeprefix(CONTRACTION + "|")) + BYTES, ""), "laguna": (split(r"[^\n]+|[\n]+", QWEN2) + BYTES, ""),
    "youtu": (split("[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", GPT4O.replace(r"\p{N}{1,3}", r"\p{N}")) + BYTES, "whole"),
    "spark2_5": (split(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", PUNCTUATION_WORDS + r"|[\r\n]|\s+(?!\S)|\s+") + EACH_DIGIT + BYTES, ""),
    "afmoe": (split(r"\p{N}+", r"(?=(?:\p{N}{3})+$)", AFMOE_SCRIPTS, PUNCTUATION_WORDS + r"[\r\n]*" + END) + BYTES, ""),
    "chameleon": (split("<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", r"[\t\n]|    |  ", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]") + GPT2, ""),
    "granite-docling": (GPT2, ""), "minicpm5": (split(r"\p{N}{1,3}", QWEN2.replace(r"|\p{N}|", r"|\p{N}+|")) + BYTES, "whole"),
}

# Names of models that cut as another one does; with what goes with them where that differs.
ALIASES = {
    "gpt-2": ["jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "roberta-bpe", "gigachat", "a.x-4.0", "mellum", "jais",
              "trillion", "exaone4"],
    "mpt": ["modern-bert"], "smollm": ["codeshell", "mellum2"],
    "llama-bpe": ["llama3", "llama-v3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
    "qwen2": ["megrez", "f2llmv2"], "qwen2 without nfc": ["kormo", "solar-open", "grok-2"],
    "gpt-4o": ["kanana2", "talkie"], "gpt-4o, whole words": ["granite-embed-multi-97m"], "tiny_aya": ["cohere2moe"],
    "deepseek-v3": ["hy_v4", "joyai-llm"], "bloom": ["poro-chat", "gpt3-finnish"], "bailingmoe": ["bailingmoe2", "llada-moe"],
}
ALIASED = {"qwen2 without nfc": (SCHEMES["qwen2"][0], ""), "gpt-4o, whole words": (SCHEMES["gpt-4o"][0], "whole"), **SCHEMES}
SCHEME_OF = {**{name: name for name in SCHEMES}, **{name: scheme for scheme, names in ALIASES.items() for name in names}}


@functools.lru_cache(maxsize=1)
def train_as(scheme):
    return train(*ALIASED[scheme])


def train(steps, extra):
    sequence = pre_tokenizers.Sequence(steps)
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = sequence
    trained.normalizer = normalizers.NFC() if "nfc" in extra else None
    trainer = trainers.BpeTrainer(vocab_size=2500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    trained.train_from_iterator(TEXTS, trainer)
    state = json.loads(trained.to_str())["model"]
    vocab = state["vocab"]
    for word in ("zebra", "Ġzebra", "HTTPS"):  # no merge leads to them: only taking whole words finds them
        vocab.setdefault(word, len(vocab))
    merges = [tuple(merge) for merge in state["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges="whole" in extra))
    tokenizer.pre_tokenizer, tokenizer.normalizer, tokenizer.decoder = sequence, trained.normalizer, decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("camel", normalized=False)])
    return tokenizer, merges


def ids_of(path, lines=TEXTS, flags=("--no-special",)):
    done = subprocess.run([WAFERCTL, "model", "tokenize", path, "--lines", *flags], text=True, check=True, capture_output=True,
                          input="".join(json.dumps(line) + "\n" for line in lines), timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def export(path):
    """The file's tokenizer as Hugging Face's library reads what `model export-hf` writes."""
    folder = path.parent / "exported"
    subprocess.run([WAFERCTL, "model", "export-hf", path, folder], check=True, capture_output=True, timeout=120)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def compare(tokenizer, ours):
    wrong = [(text, theirs.tokens, [tokenizer.id_to_token(i) for i in mine])
             for text, theirs, mine in zip(TEXTS, tokenizer.encode_batch(TEXTS, add_special_tokens=False), ours, strict=True)
             if theirs.ids != mine]
    assert not wrong, f"{len(wrong)} of {len(TEXTS)}, the first: {wrong[0]}"


def test_every_name_of_the_table_is_compared():
    table = (ROOT / "wafer_backend/compute/model/pre_tokenizer_table.cc").read_text()
    assert set(re.findall(r'\.name = "([^"]+)"', table)) == set(SCHEME_OF)


@pytest.mark.parametrize("name", sorted(SCHEME_OF, key=SCHEME_OF.get))  # those that share a vocabulary follow each other
def test_byte_level(name, tmp_path):
    tokenizer, merges = train_as(SCHEME_OF[name])
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    gguf.write(tmp_path / "v.gguf", {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": name, "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [4 if token == "camel" else 1 for token in tokens],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in merges]})
    ours = ids_of(tmp_path / "v.gguf")
    compare(tokenizer, ours)
    compare(export(tmp_path / "v.gguf"), ours)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("prefix, fallback, extra, words", [(True, True, False, True), (False, False, False, True), (True, False, True, True),
                                                            (True, True, False, False)])
def test_sentence_piece(kind, prefix, fallback, extra, words, tmp_path):
    """Against the library itself. Left out are user-defined tokens that may overlap in unigram models, where it picks any cut, and
    those made of spaces where it removes spaces."""
    own = ["<tool>", "camel", "\n"] + (["\n\n", "\u2581\u2581\u2581"][:1 if extra else 2] if kind == "bpe" else [])
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, model_type=kind, vocab_size=4500, byte_fallback=fallback,
        normalization_rule_name="identity", add_dummy_prefix=prefix, remove_extra_whitespaces=extra, character_coverage=0.98,
        split_by_whitespace=words, user_defined_symbols=own, minloglevel=2, num_threads=1)
    library = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [library.id_to_piece(i) for i in range(library.get_piece_size())]
    gguf.write(tmp_path / "v.gguf", {
        "tokenizer.ggml.model": "llama" if kind == "bpe" else "t5", "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": [library.get_score(i) for i in range(len(pieces))],
        "tokenizer.ggml.token_type": [2 if library.is_unknown(i) else 3 if library.is_control(i) else 6 if library.is_byte(i)
                                      else 4 if piece in own else 1 for i, piece in enumerate(pieces)],
        "tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_space_prefix": prefix, "tokenizer.ggml.remove_extra_whitespaces": extra})
    assert words != any("\u2581" in piece.lstrip("\u2581") for piece in pieces)
    ours = ids_of(tmp_path / "v.gguf")
    wrong = [(text, library.id_to_piece(theirs), library.id_to_piece(mine))
             for text, theirs, mine in zip(TEXTS, library.encode(TEXTS), ours, strict=True) if theirs != mine]
    assert not wrong, f"{len(wrong)} of {len(TEXTS)}, the first: {wrong[0]}"
    if kind == "bpe":
        compare(export(tmp_path / "v.gguf"), ours)


CHAT = [{"role": "user", "content": "Who is the baker?"}, {"role": "assistant", "content": "Anna."}, {"role": "user", "content": "Thanks"}]


def test_export_of_the_demo_model(tmp_path):
    """Ids with begin tokens and control tokens, and the chat template, through transformers."""
    for expected in (0, 1):  # the second would overwrite
        done = subprocess.run([WAFERCTL, "model", "export-hf", DEMO, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr
    assert "--force" in done.stderr
    assert subprocess.run([WAFERCTL, "model", "export-hf", DEMO, tmp_path, "--force"], capture_output=True, check=False).returncode == 0
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    lines = [*TEXTS, "<|im_start|>user\nHi<|im_end|>\n", "a</s> b"]
    assert tokenizer(lines)["input_ids"] == ids_of(DEMO, lines, ["--parse-special"])
    assert [tokenizer.decode(ids, skip_special_tokens=True) for ids in ids_of(DEMO)] == TEXTS
    chat = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert chat.startswith("<|im_start|>user\nWho is the baker?<|im_end|>\n") and chat.endswith("<|im_start|>assistant\n")
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert (config.model_type, config.num_hidden_layers, config.vocab_size) == ("llama", 4, len(tokenizer))
