"""Reads a GGUF file back and runs it with numpy alone: the check that the export says what the training meant.

Shares no code with llama.py or export_gguf.py on purpose.
"""
import struct

import numpy as np

SCALAR = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


class Gguf:
    def __init__(self, path):
        self.raw, self.at = open(path, "rb").read(), 0
        assert self.raw[:4] == b"GGUF", f"{path}: not a GGUF file"
        self.at = 4
        _, count, keys = (self.scalar(k) for k in (4, 10, 10))
        self.meta = {}
        for _ in range(keys):
            key = self.string()
            self.meta[key] = self.value(self.scalar(4))
        infos = [(self.string(), [self.scalar(10) for _ in range(self.scalar(4))], self.scalar(4), self.scalar(10)) for _ in range(count)]
        base = -(-self.at // 32) * 32
        self.tensors = {name: self.tensor(dims[::-1], kind, base + offset) for name, dims, kind, offset in infos}

    def scalar(self, kind):
        (value,) = struct.unpack_from(SCALAR[kind], self.raw, self.at)
        self.at += struct.calcsize(SCALAR[kind])
        return value

    def string(self):
        length = self.scalar(10)
        self.at += length
        return self.raw[self.at - length:self.at].decode()

    def value(self, kind):
        if kind == 9:
            inner, length = self.scalar(4), self.scalar(10)
            return [self.value(inner) for _ in range(length)]
        return self.string() if kind == 8 else self.scalar(kind)

    def tensor(self, shape, kind, start):
        size = int(np.prod(shape))
        if kind == 0:
            return np.frombuffer(self.raw, "<f4", size, start).reshape(shape)
        assert kind == 8, f"tensor type {kind} is not Q8_0"
        blocks = np.frombuffer(self.raw, np.dtype([("d", "<f2"), ("q", "i1", 32)]), size // 32, start)
        return (blocks["d"].astype(np.float32)[:, None] * blocks["q"]).reshape(shape)


class Runner:
    """One sequence: step(token) appends it and returns the logits of the next one."""

    def __init__(self, gguf):
        m, self.t = gguf.meta, gguf.tensors
        self.layers, self.heads = m["llama.block_count"], m["llama.attention.head_count"]
        self.kv_heads, self.dim = m["llama.attention.head_count_kv"], m["llama.embedding_length"]
        self.eps, self.d = m["llama.attention.layer_norm_rms_epsilon"], m["llama.rope.dimension_count"]
        self.frequency = m["llama.rope.freq_base"] ** (-np.arange(0, self.d, 2) / self.d)
        self.keys, self.values = [[] for _ in range(self.layers)], [[] for _ in range(self.layers)]

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x) + self.eps) * self.t[name + ".weight"]

    def rotate(self, x, position):
        turn = np.exp(1j * position * self.frequency)
        pair = (x[:, 0::2] + 1j * x[:, 1::2]) * turn
        return np.stack([pair.real, pair.imag], axis=-1).reshape(x.shape).astype(np.float32)

    def step(self, token):
        x, position = self.t["token_embd.weight"][token], len(self.keys[0])
        for n in range(self.layers):
            w = lambda name: self.t[f"blk.{n}.{name}.weight"]
            h = self.norm(x, f"blk.{n}.attn_norm")
            q = self.rotate((w("attn_q") @ h).reshape(self.heads, self.d), position)
            self.keys[n].append(self.rotate((w("attn_k") @ h).reshape(self.kv_heads, self.d), position))
            self.values[n].append((w("attn_v") @ h).reshape(self.kv_heads, self.d))
            k, v = np.stack(self.keys[n], 1), np.stack(self.values[n], 1)
            group = self.heads // self.kv_heads
            score = np.einsum("kgd,ktd->kgt", q.reshape(self.kv_heads, group, self.d), k) / np.sqrt(self.d)
            weight = np.exp(score - score.max(-1, keepdims=True))
            weight /= weight.sum(-1, keepdims=True)
            x = x + w("attn_output") @ np.einsum("kgt,ktd->kgd", weight, v).reshape(self.dim)
            h = self.norm(x, f"blk.{n}.ffn_norm")
            gate = w("ffn_gate") @ h
            x = x + w("ffn_down") @ (gate / (1 + np.exp(-gate)) * (w("ffn_up") @ h))
        return self.t["output.weight"] @ self.norm(x, "output_norm")


class Tokenizer:
    """SentencePiece BPE out of the file's own metadata: the pair whose joint piece scores highest is joined first."""

    def __init__(self, gguf):
        self.pieces, self.scores = gguf.meta["tokenizer.ggml.tokens"], gguf.meta["tokenizer.ggml.scores"]
        kinds = gguf.meta["tokenizer.ggml.token_type"]
        self.ids = {p: i for i, p in enumerate(self.pieces) if kinds[i] == 1}
        self.bytes = {int(p[3:5], 16): i for i, p in enumerate(self.pieces) if kinds[i] == 6}
        self.special = {p: i for i, p in enumerate(self.pieces) if kinds[i] == 3}

    def encode(self, text):
        parts = list(text.replace(" ", "\u2581"))
        while True:
            best = max(((self.scores[self.ids[a + b]], -i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in self.ids), default=None)
            if best is None:
                break
            i = -best[1]
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        return [t for p in parts for t in ([self.ids[p]] if p in self.ids else [self.bytes[b] for b in p.encode()])]

    def decode(self, ids):
        by_id, raw = {v: k for k, v in self.bytes.items()}, b""
        for i in ids:
            raw += bytes([by_id[i]]) if i in by_id else self.pieces[i].replace("\u2581", " ").encode()
        return raw.decode(errors="replace")
