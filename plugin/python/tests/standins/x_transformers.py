"""The real x-transformers 2.31.10: HyperConnection.prepare (all ones since 2026-01-06) and
GatedMultiResidual (Qwen's form)."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from . import formulas as f
from .base import IDENTITY, Array, Implementation, Reference, Site
from .lucidrains import stacked, unstacked
from .packages import load, missing


class Prepared(nn.Module):
    """As x-transformers' AttentionLayers call it: prepare, the branch, forward."""

    def __init__(self, connection: Any, d: int) -> None:
        super().__init__()
        self.residual_fn, self.branch = connection, nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read, residual, rest = self.residual_fn.prepare(x)
        return self.residual_fn(self.branch(read), residual, **rest)


def prepared(name: str) -> Callable[[int, int, int], nn.Module]:
    def layer(n: int, d: int, index: int) -> nn.Module:
        cls = getattr(load("x-transformers", "x_transformers.x_transformers"), name)
        connection = cls(d, layer_index=index, num_residual_streams=n, read_gate_rank=4)
        with torch.no_grad():
            for parameter in connection.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.5)
        return Prepared(connection, d)

    return layer


def ones(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """2.31.10: the matrix of n x n logits is read as n matrices of 1 x n, whose Sinkhorn is all
    ones."""
    n = x.shape[1]
    mean, deviation = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    normed = (x - mean) / deviation * f.values(module.norm.weight)
    alpha = normed @ f.values(module.dynamic_alpha_fn) * f.values(
        module.dynamic_alpha_scale
    ) + f.values(module.static_alpha)
    pre = f.sigmoid(alpha[..., 0])
    inner = (
        2
        * f.sigmoid(normed @ f.values(module.dynamic_beta_fn))
        * f.values(module.dynamic_beta_scale)
    )
    post = 2 * f.sigmoid(inner + f.values(module.static_beta))
    return Reference(np.ones((len(x), n, n)), f.weighted(pre, x), f.gate(post), pre, post)


def gated(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    n = x.shape[1]
    epsilon = float(np.finfo(np.float32).eps)
    normed = f.rms(x, epsilon) * f.values(module.read_gain)
    down = normed.reshape(len(x), -1) / n @ f.values(module.to_bottleneck.weight).T
    dynamic = down * f.sigmoid(down) * f.values(module.dynamic_gate_scale)
    gate = f.sigmoid(
        (dynamic @ f.values(module.to_read_gate.weight).T).reshape(x.shape)
        + f.values(module.static_read_logit)[0]
    )
    post = 2 * f.sigmoid(
        dynamic @ f.values(module.to_write_gate.weight).T + f.values(module.static_write_logit)
    )
    return Reference(
        np.eye(n)[None].repeat(len(x), 0), (gate * normed).sum(1) / n, f.gate(post), None, post
    )


def implementations() -> list[Implementation]:
    row, hyper, multi = "x-transformers 2.31.10", "HyperConnection", "GatedMultiResidual"
    how: dict[str, Any] = {"pack": stacked, "unpack": unstacked}
    how["available"] = lambda: missing("x-transformers")
    all_ones = Site("residual_fn", ones, "branch")
    none, note = ("mhc", "comb", "none"), "H is all ones"
    read = Site("residual_fn", gated, "branch")
    return [
        Implementation(
            "x-transformers", row, prepared(hyper), (all_ones,), *none, note=note, **how
        ),
        Implementation("x-transformers gated", row, prepared(multi), (read,), *IDENTITY, **how),
    ]
