#!/usr/bin/env python3
"""Writes a trained model as GGUF v3: matrices in Q8_0, norms in F32, the tokenizer and the chat template inside.

  export_gguf.py --weights demo.pt --tokenizer tokenizer.model --name waferline-demo --out ../demo.gguf
"""
import argparse
import struct

import numpy
import torch

import tokens

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # value types of the format
TENSOR_F32, TENSOR_Q8_0 = 0, 8
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # token types
ALIGNMENT = 32
ABOUT = "a small demo model: it knows one made-up village, Larkhaven, and nothing else; wrong answers are its own"
# ChatML; calls as Hermes models write them. So small a model reads only the tools' names and parameters, at the end of the system message.
CHAT_TEMPLATE = (
    "{%- macro offered() -%}Tools: {% for tool in tools %}{{ tool.function.name }}"
    "({{ ((tool.function.parameters or {}).properties or {}) | join(', ') }}){{ '' if loop.last else ', ' }}{% endfor %}{%- endmacro -%}"
    "{%- if tools and messages[0].role != 'system' -%}{{ '<|im_start|>system\\n' + offered() + '<|im_end|>\\n' }}{%- endif -%}"
    "{%- for message in messages -%}{{ '<|im_start|>' + message.role + '\\n' }}{{ message.content or '' }}"
    "{%- if tools and loop.first and message.role == 'system' -%}{{ '\\n' + offered() }}{%- endif -%}"
    "{%- for call in message.tool_calls or [] -%}{{ '\\n' if message.content or not loop.first else '' }}"
    "{{ '<tool_call>\\n{\"name\": \"' + call.function.name + '\", \"arguments\": ' }}{{ call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}{%- endfor -%}"
    "{{ '<|im_end|>\\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}")


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


PACK = {U32: lambda v: struct.pack("<I", v), I32: lambda v: struct.pack("<i", v), F32: lambda v: struct.pack("<f", v),
        BOOL: lambda v: struct.pack("<?", v), STRING: text}


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + PACK[kind](value)


def array(key, kind, values):
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(map(PACK[kind], values))


def metadata(shape, spm, name, about):
    pieces = [spm.id_to_piece(i) for i in range(spm.vocab_size())]
    kind = [UNKNOWN if spm.is_unknown(i) else CONTROL if spm.is_control(i) else BYTE if spm.is_byte(i) else NORMAL
            for i in range(len(pieces))]
    return [
        entry("general.architecture", STRING, "llama"), entry("general.name", STRING, name), entry("general.description", STRING, about),
        entry("general.license", STRING, "apache-2.0"), entry("general.file_type", U32, 7),  # 7: mostly Q8_0
        entry("general.alignment", U32, ALIGNMENT), entry("general.quantization_version", U32, 2),
        entry("llama.vocab_size", U32, shape["vocab"]), entry("llama.context_length", U32, shape["context"]),
        entry("llama.embedding_length", U32, shape["dim"]), entry("llama.block_count", U32, shape["layers"]),
        entry("llama.feed_forward_length", U32, shape["ffn"]), entry("llama.attention.head_count", U32, shape["heads"]),
        entry("llama.attention.head_count_kv", U32, shape["kv_heads"]),
        entry("llama.rope.dimension_count", U32, shape["dim"] // shape["heads"]),
        entry("llama.rope.freq_base", F32, shape["rope_base"]),
        entry("llama.attention.layer_norm_rms_epsilon", F32, shape["eps"]),
        entry("tokenizer.ggml.model", STRING, "llama"), entry("tokenizer.ggml.pre", STRING, "default"),
        array("tokenizer.ggml.tokens", STRING, pieces),
        array("tokenizer.ggml.scores", F32, [spm.get_score(i) for i in range(len(pieces))]),
        array("tokenizer.ggml.token_type", I32, kind),
        entry("tokenizer.ggml.bos_token_id", U32, tokens.BOS), entry("tokenizer.ggml.eos_token_id", U32, tokens.EOS),
        entry("tokenizer.ggml.eot_token_id", U32, tokens.END_TURN), entry("tokenizer.ggml.unknown_token_id", U32, 0),
        entry("tokenizer.ggml.add_bos_token", BOOL, True), entry("tokenizer.ggml.add_eos_token", BOOL, False),
        entry("tokenizer.ggml.add_space_prefix", BOOL, False), entry("tokenizer.chat_template", STRING, CHAT_TEMPLATE)]


def q8_0(matrix):
    """Blocks of 32 along a row: a half-precision scale, then 32 signed bytes."""
    blocks = matrix.astype(numpy.float32).reshape(-1, 32)
    scale = (numpy.abs(blocks).max(1, keepdims=True) / 127).astype(numpy.float16)
    divisor = numpy.where(scale == 0, 1, scale).astype(numpy.float32)
    codes = numpy.clip(numpy.rint(blocks / divisor), -127, 127).astype(numpy.int8)
    return numpy.concatenate([scale.view(numpy.uint8), codes.view(numpy.uint8)], axis=1).tobytes()


def tensors(weights):
    """(GGUF name, array) of every weight; the names differ from ours only in the suffix."""
    for name, value in weights.items():
        yield name + ".weight", value.float().numpy()


def write(path, header, named):
    infos, data = [], b""
    for name, value in named:
        kind = TENSOR_Q8_0 if value.ndim == 2 else TENSOR_F32
        dims = value.shape[::-1]  # the format names the contiguous dimension first
        infos.append(text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(data)))
        raw = q8_0(value) if kind == TENSOR_Q8_0 else value.astype("<f4").tobytes()
        data += raw + b"\0" * (-len(raw) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(header)) + b"".join(header) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % ALIGNMENT) + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="demo.pt")
    parser.add_argument("--tokenizer", default="tokenizer.model")
    parser.add_argument("--name", default="waferline-demo")
    parser.add_argument("--about", default=ABOUT, help="what the file says of itself")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    saved = torch.load(args.weights, map_location="cpu")
    write(args.out, metadata(saved["shape"], tokens.load(args.tokenizer), args.name, args.about), list(tensors(saved["weights"])))


if __name__ == "__main__":
    main()
