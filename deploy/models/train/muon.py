"""Optimiser: Muon (momentum, made orthogonal by Newton-Schulz steps) for the matrices, AdamW for the rest.

Source of the method and of the three coefficients: K. Jordan et al., "Muon: an optimizer for hidden layers in neural
networks", 2024.
"""
import torch


def orthogonal(matrix, steps=5):
    x = matrix.to(torch.bfloat16)
    tall = x.shape[0] > x.shape[1]
    x = x.t().contiguous() if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.t()
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x.t() if tall else x


class Optimiser:
    def __init__(self, model, matrix_rate=0.02, other_rate=5e-3, decay=0.02):
        words = ("token_embd", "output")
        named = list(model.named_parameters())
        self.matrices = [p for n, p in named if p.dim() == 2 and n not in words]
        self.others = [p for n, p in named if p.dim() == 1 or n in words]
        self.matrix_rate, self.other_rate, self.decay = matrix_rate, other_rate, decay
        self.momentum = [torch.zeros_like(p) for p in self.matrices]
        self.adam = torch.optim.AdamW(self.others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0)

    @torch.no_grad()
    def step(self, scale):
        """One update with both learning rates times `scale`; clears the gradients."""
        for p, m in zip(self.matrices, self.momentum):
            m.mul_(0.95).add_(p.grad)
            update = orthogonal(p.grad.add(m, alpha=0.95)).float()
            rate = self.matrix_rate * scale
            p.mul_(1 - rate * self.decay).add_(update, alpha=-rate * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)
            p.grad = None
        for group in self.adam.param_groups:
            group["lr"] = self.other_rate * scale
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def state(self):
        return {"momentum": self.momentum, "adam": self.adam.state_dict()}

    def restore(self, state):
        self.momentum = state["momentum"]
        self.adam.load_state_dict(state["adam"])
