"""Stand-ins of blocks in DeepSeek's style: parameters hc_attn_fn, ... on the block (its inference
code, torchtitan, torchtitan-npu, xorl, miles).

Own code of the same names, shapes, arguments and order of results; comb is applied transposed:
out_k = sum_j comb_jk x_j.
"""

from __future__ import annotations

from typing import Any, Callable

import torch
import torch.nn.functional as F
from torch import nn

from . import formulas as f
from .base import COMB_ROWS, Array, Implementation, Reference, Site, Stack

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def rough(rows: int, n: int, d: int) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
    """fn [rows, n d], base [rows], scale [3]: logits of deviation 2 to 3, half of them from the
    token."""
    fn = nn.Parameter(torch.randn(rows, n * d) * 1.5 / (n * d) ** 0.5)
    return fn, nn.Parameter(torch.randn(rows) * 2), nn.Parameter(torch.tensor([0.9, 1.1, 1.3]))


def balance(
    logits: torch.Tensor, iterations: int = 20, eps: float = 1e-6, first: float = 1e-6
) -> torch.Tensor:
    """DeepSeek's Sinkhorn; first = 0: eps in the softmax's denominator only, as torchtitan has
    it."""
    if first:
        comb = logits.softmax(-1) + first
    else:
        comb = (logits - logits.amax(-1, keepdim=True)).exp()
        comb = comb / (comb.sum(-1, keepdim=True) + eps)
    comb = comb / (comb.sum(-2, keepdim=True) + eps)
    for _ in range(iterations - 1):
        comb = comb / (comb.sum(-1, keepdim=True) + eps)
        comb = comb / (comb.sum(-2, keepdim=True) + eps)
    return comb


def split(
    mixes: torch.Tensor, scale: torch.Tensor, base: torch.Tensor, n: int, **how: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[..., (2 + n) n] -> pre, post [..., n], comb [..., n, n]."""
    pre, post, comb = mixes.split([n, n, n * n], -1)
    pre = torch.sigmoid(pre * scale[0] + base[:n]) + 1e-6
    post = 2 * torch.sigmoid(post * scale[1] + base[n : 2 * n])
    return (
        pre,
        post,
        balance(comb.unflatten(-1, (n, n)) * scale[2] + base[2 * n :].view(n, n), **how),
    )


def mixes(x: torch.Tensor, fn: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [b, s, (2 + n) n], normalised after the projection."""
    flat = x.flatten(2).float()
    return F.linear(flat, fn.float()) * torch.rsqrt(flat.square().mean(-1, keepdim=True) + 1e-6)


def mixed(
    x: torch.Tensor, fn: torch.Tensor, scale: torch.Tensor, base: torch.Tensor, n: int
) -> Three:
    """Of streams [b, s, n, d]: (y, post, comb)."""
    pre, post, comb = split(mixes(x, fn), scale, base, n)
    return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb


def spread(
    y: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
) -> torch.Tensor:
    return (
        post.unsqueeze(-1) * y.unsqueeze(-2) + (comb.unsqueeze(-1) * residual.unsqueeze(-2)).sum(2)
    ).type_as(y)


class Parameters(nn.Module):
    """A block with hc_attn_* and hc_ffn_* of its own, and two branches."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_mult, self.hc_sinkhorn_iters, self.hc_eps, self.norm_eps = n, 20, 1e-6, 1e-6
        self.attn, self.ffn = nn.Linear(d, d), nn.Linear(d, d)
        self.hc_attn_fn, self.hc_attn_base, self.hc_attn_scale = rough((2 + n) * n, n, d)
        self.hc_ffn_fn, self.hc_ffn_base, self.hc_ffn_scale = rough((2 + n) * n, n, d)


class Block(Parameters):
    """DeepSeek's inference code (V4): hc_pre(x, fn, scale, base) -> (y, post, comb)."""

    def hc_pre(
        self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return mixed(x, hc_fn, hc_scale, hc_base, self.hc_mult)

    def hc_post(
        self, x: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return spread(x, residual, post, comb)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.hc_pre(x, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base)
        x = self.hc_post(self.attn(y), x, post, comb)
        y, post, comb = self.hc_pre(x, self.hc_ffn_fn, self.hc_ffn_scale, self.hc_ffn_base)
        return self.hc_post(self.ffn(y), x, post, comb)


class SinglePassBlock(Parameters):
    """DeepSeek's inference code of V4.1: hc_mixes(h, fn, scale, base) -> (pre, post, comb); pre is
    read by the next site, hc_pre gives one tensor."""

    def hc_mixes(
        self, h: torch.Tensor, fn: torch.Tensor, scale: torch.Tensor, base: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return split(mixes(h, fn), scale, base, self.hc_mult)

    @staticmethod
    def hc_pre(h: torch.Tensor, pre_mix: torch.Tensor) -> torch.Tensor:
        return (pre_mix.unsqueeze(-1) * h.float()).sum(-2).to(h.dtype)

    @staticmethod
    def hc_post(
        x: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return spread(x, residual, post, comb)

    def forward(self, h: torch.Tensor, pre_mix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pre, post, comb = self.hc_mixes(h, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base)
        h = self.hc_post(self.attn(self.hc_pre(h, pre_mix)), h, post, comb)
        last, post, comb = self.hc_mixes(h, self.hc_ffn_fn, self.hc_ffn_scale, self.hc_ffn_base)
        return self.hc_post(self.ffn(self.hc_pre(h, pre)), h, post, comb), last


class SinglePassStack(Stack):
    """Hands pre from site to site; the first reads stream 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pre = torch.zeros(x.shape[:3], dtype=torch.float32, device=x.device)
        pre[..., 0] = 1
        for layer in self.layers:
            x, pre = layer(x, pre)
        return x


def of(key: str) -> Callable[[Any, Array, dict[str, Any]], Reference]:
    """The truth of one site of a block: key is hc_attn_, hc_ffn_, hc_ or nothing."""

    def reference(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
        first = getattr(getattr(module, "sinkhorn", None), "first", 1e-6)
        how = f.sinkhorn_deepseek if first else f.sinkhorn_torchtitan
        norm = getattr(module, "input_norm", None)  # transformers'
        pre, post, comb = f.deepseek(
            x,
            *(f.values(getattr(module, key + part)) for part in ("fn", "base", "scale")),
            norm_epsilon=module.norm_eps if norm is None else norm.eps,
            balance=how,
        )
        return Reference(f.swap(comb), f.weighted(pre, x), f.gate(post), pre, post)

    return reference


def later(key: str) -> Callable[[Any, Array, dict[str, Any]], Reference]:
    """The same where a site reads with the gate of the one before it."""

    def reference(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
        own = of(key)(module, x, carry)
        before, carry["pre"] = carry.get("pre"), own.pre
        return own._replace(read=x[:, 0] if before is None else f.weighted(before, x))

    return reference


def sites(
    attn: str = "attn", ffn: str = "ffn", make: Callable[[str], Any] = of
) -> tuple[Site, ...]:
    """Of a block that holds both."""
    return Site("", make("hc_attn_"), attn, "attn"), Site("", make("hc_ffn_"), ffn, "ffn")


def implementations() -> list[Implementation]:
    row = "DeepSeek's inference code"
    return [
        Implementation("deepseek inference", row, lambda n, d, i: Block(n, d), sites(), *COMB_ROWS),
        Implementation(
            "deepseek inference v4.1",
            row,
            lambda n, d, i: SinglePassBlock(n, d),
            sites(make=later),
            *COMB_ROWS,
            stack=SinglePassStack,
        ),
    ]
