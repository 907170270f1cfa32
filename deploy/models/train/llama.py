"""The llama architecture as the runtime computes it, written for one CPU core and bfloat16.

Layout facts that the GGUF file relies on:
  * rotary turns ADJACENT pairs (2i, 2i+1) of each head, so no row of attn_q or attn_k is permuted on export;
  * query head h reads key/value head h // (heads // kv_heads);
  * the output matrix is its own tensor: tied to an embedding it would force one scale on both, and the words would
    drown in what the first block adds.
Weights are kept in float32; the matrix products run in bfloat16, which on this path is some thirty times faster
than float32 with Debian's reference BLAS (oneDNN serves bfloat16 only).
"""
import dataclasses

import torch
import torch.nn.functional as F


@dataclasses.dataclass
class Shape:
    vocab: int = 2048
    dim: int = 256
    layers: int = 6
    heads: int = 8
    kv_heads: int = 4
    ffn: int = 512
    context: int = 1024
    rope_base: float = 10000.0
    eps: float = 1e-5

    @property
    def head_dim(self):
        return self.dim // self.heads


def rotary_tables(shape, length, dtype):
    """cos and sin of shape [length, head_dim] with each angle written twice, and the pair swap matrix."""
    d = shape.head_dim
    inverse = shape.rope_base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), inverse).repeat_interleave(2, dim=1)
    swap = torch.zeros(d, d)  # x @ swap = (-x1, x0, -x3, x2, ...)
    even = torch.arange(0, d, 2)
    swap[even + 1, even] = -1.0
    swap[even, even + 1] = 1.0
    return angle.cos().to(dtype), angle.sin().to(dtype), swap.to(dtype)


class RmsNorm(torch.autograd.Function):
    """RMSNorm with a hand-written gradient: half the passes over memory of the composed one."""

    @staticmethod
    def forward(ctx, x, gain, eps):
        inverse = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + eps).to(x.dtype)
        unit = x * inverse
        ctx.save_for_backward(unit, inverse, gain)
        return unit * gain.to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        unit, inverse, gain = ctx.saved_tensors
        product = grad * unit
        gain_grad = product.float().flatten(0, -2).sum(0)
        inner = torch.matmul(product, (gain / gain.numel()).to(grad.dtype)).unsqueeze(-1)
        return (grad * gain.to(grad.dtype)).sub_(unit * inner).mul_(inverse), gain_grad, None


class MaskedSoftmax(torch.autograd.Function):
    """softmax(score + mask) over the last axis; overwrites score, which nobody else reads."""

    @staticmethod
    def forward(ctx, score, mask):
        weight = torch.softmax(score.add_(mask), dim=-1)
        ctx.save_for_backward(weight)
        return weight

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        return torch._softmax_backward_data(grad, weight, -1, weight.dtype), None


class Block(torch.nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.keep_attention, self.attention = False, None  # for pointer.py
        kv = s.kv_heads * s.head_dim
        make = lambda rows, cols, scale: torch.nn.Parameter(torch.randn(rows, cols) * scale)
        narrow = s.dim ** -0.5
        self.attn_norm = torch.nn.Parameter(torch.ones(s.dim))
        self.ffn_norm = torch.nn.Parameter(torch.ones(s.dim))
        self.attn_q = make(s.dim, s.dim, narrow * 0.5)
        self.attn_k = make(kv, s.dim, narrow * 0.5)
        self.attn_v = make(kv, s.dim, narrow * 0.5)
        self.attn_output = make(s.dim, s.dim, narrow * 0.5 / (2 * s.layers) ** 0.5)
        with torch.no_grad():  # what a head reads it first writes back as it is: words can then be copied from the first step on
            self.attn_v.copy_(torch.nn.init.orthogonal_(torch.empty(kv, s.dim)))
            per_query = lambda m: m.view(s.kv_heads, s.head_dim, s.dim).repeat_interleave(s.heads // s.kv_heads, dim=0).reshape(s.dim, s.dim)
            self.attn_output.copy_(per_query(self.attn_v).t() * 0.25)
        self.ffn_gate = make(s.ffn, s.dim, narrow * 0.5)
        self.ffn_up = make(s.ffn, s.dim, narrow * 0.5)
        self.ffn_down = make(s.dim, s.ffn, s.ffn ** -0.5 * 0.5 / (2 * s.layers) ** 0.5)

    def forward(self, x, rotary, mask):
        """x [rows, length, dim]; mask [length, length], 0 where a key is seen, else very negative."""
        s, dtype = self.s, x.dtype
        rows, length, _ = x.shape
        group = s.heads // s.kv_heads
        cos, sin, swap = rotary
        h = RmsNorm.apply(x, self.attn_norm, s.eps)
        weight = torch.cat([self.attn_q * s.head_dim ** -0.5, self.attn_k]).to(dtype)
        qk = F.linear(h, weight).view(rows, length, s.heads + s.kv_heads, s.head_dim).transpose(1, 2).contiguous()
        qk = qk * cos + torch.matmul(qk, swap) * sin
        q, k = qk.split([s.heads, s.kv_heads], dim=1)
        q = q.reshape(rows * s.kv_heads, group * length, s.head_dim)
        k = k.reshape(rows * s.kv_heads, length, s.head_dim)
        v = F.linear(h, self.attn_v.to(dtype)).view(rows, length, s.kv_heads, s.head_dim).transpose(1, 2)
        v = v.reshape(rows * s.kv_heads, length, s.head_dim)
        score = torch.bmm(q, k.transpose(1, 2)).view(rows, s.kv_heads, group, length, length)
        weight = MaskedSoftmax.apply(score, mask)
        if self.keep_attention:
            self.attention = weight[:, 0]
        weight = weight.view(rows * s.kv_heads, group * length, length)
        mixed = torch.bmm(weight, v).view(rows, s.heads, length, s.head_dim)
        mixed = mixed.transpose(1, 2).reshape(rows, length, s.dim)
        x = x + F.linear(mixed, self.attn_output.to(dtype))
        h = RmsNorm.apply(x, self.ffn_norm, s.eps)
        inner = F.silu(F.linear(h, self.ffn_gate.to(dtype))) * F.linear(h, self.ffn_up.to(dtype))
        return x + F.linear(inner, self.ffn_down.to(dtype))


class Llama(torch.nn.Module):
    def __init__(self, shape, dtype=torch.bfloat16):
        super().__init__()
        self.shape, self.dtype = shape, dtype
        self.token_embd = torch.nn.Parameter(torch.randn(shape.vocab, shape.dim))
        self.output = torch.nn.Parameter(torch.randn(shape.vocab, shape.dim) * 0.02)
        self.blk = torch.nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = torch.nn.Parameter(torch.ones(shape.dim))

    def forward(self, tokens, wanted=None):
        """Logits of tokens [rows, length]: [rows, length, vocab], or [n, vocab] where `wanted` [rows, length] is true."""
        length = tokens.shape[1]
        mask = torch.full((length, length), -3e4, dtype=self.dtype).triu(1)
        rotary = rotary_tables(self.shape, length, self.dtype)
        x = F.embedding(tokens, self.token_embd).to(self.dtype)
        for block in self.blk:
            x = block(x, rotary, mask)
        x = RmsNorm.apply(x if wanted is None else x[wanted], self.output_norm, self.shape.eps)
        return F.linear(x, self.output.to(self.dtype))
