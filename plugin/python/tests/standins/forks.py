"""Stand-ins of forks and own classes: tokenbender (and khoaoe), mwdgdx, mhc-poc. Static matrices,
the same for all tokens.

Own code of the same names, shapes, arguments and order of results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from einops import einsum
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site, Stack
from .lucidrains import stacked, unstacked


def sinkhorn_log(logits: torch.Tensor, num_iters: int = 10, tau: float = 0.05) -> torch.Tensor:
    """In the log domain: rows, then columns exact."""
    z = logits / tau
    u = v = torch.zeros(len(logits), device=z.device, dtype=z.dtype)
    for _ in range(num_iters):
        u = -torch.logsumexp(z + v, -1)
        v = -torch.logsumexp(z + u.unsqueeze(-1), -2)
    return torch.exp(z + u.unsqueeze(-1) + v)


class HyperConnections(nn.Module):
    """tokenbender's: lucidrains' methods, own parameters H_*_logits; out_t = sum_s H_st x_s.
    `start`: as published, off-diagonal -8 at tau 0.05."""

    def __init__(
        self,
        num_residual_streams: int,
        *,
        dim: int,
        branch: nn.Module,
        mhc_tau: float = 0.05,
        identity_mix: bool = False,
        start: bool = False,
    ) -> None:
        super().__init__()
        n = num_residual_streams
        self.branch, self.num_residual_streams, self.num_fracs, self.num_input_views = (
            branch,
            n,
            1,
            1,
        )
        self.has_fracs, self.channel_first, self.add_branch_out_to_residual = False, False, True
        self.mhc_num_iters, self.mhc_tau, self.mhc_residual_identity_mix = 10, mhc_tau, identity_mix
        self.H_res_logits = nn.Parameter(
            (torch.eye(n) - 1) * 8 if start else torch.randn(n, n) * 2 * mhc_tau
        )
        self.H_pre_logits, self.H_post_logits = (
            nn.Parameter(torch.randn(1, n)),
            nn.Parameter(torch.randn(1, n)),
        )
        if identity_mix:
            self.H_res_alpha_logit = nn.Parameter(torch.tensor(0.3))
        self.dropout = nn.Dropout(0.0)

    def width_connection(
        self, residuals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        x = residuals.unflatten(0, (-1, self.num_residual_streams)).movedim(1, -2)
        h_res = sinkhorn_log(self.H_res_logits, self.mhc_num_iters, self.mhc_tau)
        if self.mhc_residual_identity_mix:
            alpha = torch.sigmoid(self.H_res_alpha_logit)
            h_res = (1 - alpha) * torch.eye(len(h_res)) + alpha * h_res
        mixed = einsum(h_res, x, "s t, ... s d -> ... t d")
        read = einsum(self.H_pre_logits.softmax(-1), x, "v s, ... s d -> ... v d")[..., 0, :]
        return read, mixed.movedim(-2, 1).flatten(0, 1), {"beta": self.H_post_logits.softmax(-1)}

    def depth_connection(
        self, branch_output: torch.Tensor, residuals: torch.Tensor, *, beta: torch.Tensor
    ) -> torch.Tensor:
        out = torch.einsum("...d,s->...sd", branch_output, beta[0])
        return self.dropout(out.movedim(-2, 1).flatten(0, 1) + residuals)

    def forward(self, residuals: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        read, residuals, rest = self.width_connection(residuals)
        return self.depth_connection(self.branch(read, *args, **kwargs), residuals, **rest)


class OneVectorHyperConnections(HyperConnections):
    """mwdgdx's: as tokenbender's, H_pre_logits and H_post_logits [n], beside HC's static_alpha,
    W_m, W_r of which mHC uses none."""

    def __init__(self, num_residual_streams: int, *, dim: int, branch: nn.Module) -> None:
        super().__init__(num_residual_streams, dim=dim, branch=branch)
        n = num_residual_streams
        self.mhc, self.sinkhorn_iters, self.sinkhorn_tau, self.mhc_h_res_proj = (
            True,
            10,
            0.05,
            "sinkhorn",
        )
        self.static_alpha, self.static_beta = (
            nn.Parameter(torch.randn(n, n + 1)),
            nn.Parameter(torch.ones(n)),
        )
        self.W_m, self.W_r, self.s_alpha = (
            nn.Parameter(torch.randn(dim, 1)),
            nn.Parameter(torch.randn(dim, n)),
            nn.Parameter(torch.tensor(0.01)),
        )


def logits(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    h = f.sinkhorn(f.values(module.H_res_logits) / module.mhc_tau, (-1, -2), module.mhc_num_iters)
    if module.mhc_residual_identity_mix:
        alpha = f.sigmoid(f.values(module.H_res_alpha_logit))
        h = (1 - alpha) * np.eye(len(h)) + alpha * h
    pre, post = f.softmax(f.values(module.H_pre_logits)), f.softmax(f.values(module.H_post_logits))
    return Reference(h.T[None], f.weighted(pre, x), f.gate(post), pre, post)


class StreamMix(nn.Module):
    """mhc-poc's: no forward; matrix() -> [S, S] by mode: softplus (exp: unbounded), softmax_row,
    doubly_stochastic."""

    def __init__(self, S: int, mode: str, sinkhorn_iters: int = 20) -> None:
        super().__init__()
        self.S, self.mode, self.sinkhorn_iters = S, mode, sinkhorn_iters
        self.logits = nn.Parameter(2 * torch.eye(S) - 1 + torch.randn(S, S) * 3)

    def matrix(self) -> torch.Tensor:
        if self.mode == "softmax_row":
            return self.logits.softmax(1)
        m = self.logits.exp()
        for _ in range(self.sinkhorn_iters if self.mode == "doubly_stochastic" else 0):
            m = m / m.sum(1, keepdim=True).clamp(min=1e-12)
            m = m / m.sum(0, keepdim=True).clamp(min=1e-12)
        return m


def apply_stream_mix(H: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[S, S] on [b, t, S, d] as it is."""
    return (x.transpose(2, 3) @ H.T).transpose(2, 3)


class PocLayer(nn.Module):
    """What TinyLM_mHC keeps in four lists, for one layer."""

    def __init__(self, n: int, d: int, mode: str) -> None:
        super().__init__()
        self.block, self.H_pre, self.H_post = (
            nn.Linear(d, d),
            StreamMix(n, "softmax_row"),
            StreamMix(n, "softmax_row"),
        )
        self.H_res = StreamMix(n, mode)


class PocStack(Stack):
    """mhc-poc's forward: the lists are the model's."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__(layers)
        for name in ("H_pre", "H_post", "H_res"):
            setattr(self, name, nn.ModuleList([getattr(layer, name) for layer in layers]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lists: list[Any] = [self.layers, self.H_pre, self.H_post, self.H_res]
        for layer, pre, post, res in zip(*lists):
            y = layer.block(apply_stream_mix(pre.matrix(), x).mean(2))
            x = apply_stream_mix(res.matrix(), x) + apply_stream_mix(
                post.matrix().T, y.unsqueeze(2).expand_as(x)
            )
        return x


def poc(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    layer = module
    h = np.exp(f.values(layer.H_res.logits))
    if layer.H_res.mode == "doubly_stochastic":
        h = f.alternate(h, (-1, -2), 20)
    pre, post = (
        f.softmax(f.values(layer.H_pre.logits)).mean(0)[None],
        f.softmax(f.values(layer.H_post.logits)).sum(0)[None],
    )
    return Reference(h[None], f.weighted(pre, x), f.gate(post), pre, post)


def implementations() -> list[Implementation]:
    row = "tokenbender/mHC…, khoaoe fork, mwdgdx, mhc-poc"
    layout: dict[str, Any] = {"pack": stacked, "unpack": unstacked, "static": True}

    def fork(cls: Any, **how: Any) -> Any:
        return lambda n, d, i: cls(n, dim=d, branch=nn.Linear(d, d), **how)

    one = (Site("", logits, "branch"),)
    of_poc = (Site("", poc, "block", "H_res"),)
    return [
        Implementation(
            "tokenbender", row, fork(HyperConnections), one, "mhc", "comb", "rows", **layout
        ),
        Implementation(
            "tokenbender, identity mix",
            row,
            fork(HyperConnections, mhc_tau=1.0, identity_mix=True),
            one,
            "mhc",
            "comb",
            "rows",
            **layout,
        ),
        Implementation(
            "tokenbender, as it starts",
            row,
            fork(HyperConnections, start=True),
            one,
            "mhc",
            "comb",
            "doubly",
            note="H = I, frozen: its gradient is 0",
            **layout,
        ),
        Implementation(
            "mwdgdx", row, fork(OneVectorHyperConnections), one, "mhc", "comb", "rows", **layout
        ),
        Implementation(
            "mhc-poc mhc",
            row,
            lambda n, d, i: PocLayer(n, d, "doubly_stochastic"),
            of_poc,
            "mhc",
            "H",
            "columns",
            found="register",
            static=True,
            stack=PocStack,
        ),
        Implementation(
            "mhc-poc hc",
            row,
            lambda n, d, i: PocLayer(n, d, "softplus"),
            of_poc,
            "hc",
            "H",
            "none",
            found="register",
            static=True,
            stack=PocStack,
        ),
    ]
