"""Stand-ins of MindSpeed-LLM's MHC and MHCLite: hc_fn is a Linear, the stage an argument, streams
[s, b, n, d]. Own code of the same names and order of results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from . import formulas as f
from .base import (
    COMB_BOTH,
    COMB_ROWS,
    Array,
    Implementation,
    Reference,
    Site,
)
from .deepseek import Three, rough, split, spread
from .lite import few, mixture, permutations


def sequence_first(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [s, b, n, d]."""
    return x.transpose(0, 1).contiguous()


class MHC(nn.Module):
    """MindSpeed-LLM's: hc_fn is a Linear, the stage is an argument, [s, b, n, d], comb [s, b, n,
    n]."""

    def __init__(self, n: int, d: int, mhc_position: str = "layer") -> None:
        super().__init__()
        self.mhc_position, self.hc_mult, self.hc_eps, self.norm_eps = mhc_position, n, 1e-6, 1e-6
        self.hc_sinkhorn_iters, self.enable_mhc = 20, True
        fn, self.hc_base, self.hc_scale = rough((2 + n) * n, n, d)
        self.hc_fn = nn.Linear(n * d, (2 + n) * n, bias=False)
        self.hc_fn.weight = fn

    def hc_pre(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Three:
        flat = x.flatten(2).float()
        logits = self.hc_fn(flat) * torch.rsqrt(
            flat.square().mean(-1, keepdim=True) + self.norm_eps
        )
        pre, post, comb = split(
            logits.transpose(0, 1), self.hc_scale, self.hc_base, self.hc_mult, first=0.0
        )
        pre, post, comb = (part.transpose(0, 1) for part in (pre, post, comb))
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb

    def hc_post(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return spread(x, kwargs["residual"], kwargs["post"], kwargs["comb"])

    def forward(
        self,
        hidden_states: torch.Tensor,
        mhc_stage: str = "identity",
        recompute_info: Any = None,
        module: str = "attention",
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        kwargs.update(recompute_info=recompute_info, module=module)
        stages = {"pre": self.hc_pre, "post": self.hc_post, "identity": lambda x, **_: x}
        return stages[mhc_stage](hidden_states, *args, **kwargs)


class MindSpeedLayer(nn.Module):
    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.attn_mhc, self.mlp_mhc = MHC(n, d), MHC(n, d)
        self.self_attention, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for mhc, branch, module in (
            (self.attn_mhc, self.self_attention, "attention"),
            (self.mlp_mhc, self.mlp, "mlp"),
        ):
            y, post, comb = mhc(x, mhc_stage="pre", module=module)
            x = mhc(branch(y), mhc_stage="post", module=module, residual=x, post=post, comb=comb)
        return x


def mindspeed(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    fn, base, scale = (
        f.values(module.hc_fn.weight),
        f.values(module.hc_base),
        f.values(module.hc_scale),
    )
    pre, post, comb = f.deepseek(x, fn, base, scale, balance=f.sinkhorn_torchtitan)
    return Reference(f.swap(comb), f.weighted(pre, x), f.gate(post), pre, post)


class MindSpeedMHCLite(nn.Module):
    """MindSpeed-LLM's MHCLite: [s, b, n, d], hc_fn a Linear to 2 n + n!, hc_pre -> (y, h_post,
    h_res), applied transposed."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.mhc_position, self.hc_mult, self.num_perm_mats, self.norm_eps = (
            "layer",
            n,
            math.factorial(n),
            1e-6,
        )
        self.hc_fn = nn.Linear(n * d, 2 * n + self.num_perm_mats, bias=False)
        self.hc_gamma = nn.Parameter(1 + torch.randn(n * d) * 0.1)
        self.hc_scale, self.hc_base = (
            nn.Parameter(torch.tensor([0.9, 1.1, 1.3])),
            nn.Parameter(torch.randn(2 * n + self.num_perm_mats)),
        )

    def hc_pre(
        self, x: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        n = self.hc_mult
        flat = x.flatten(2)
        logits = self.hc_fn(
            flat * torch.rsqrt(flat.square().mean(-1, keepdim=True) + self.norm_eps) * self.hc_gamma
        ).float()
        pre, post, res = logits.split([n, n, self.num_perm_mats], -1)
        pre = torch.sigmoid(pre * self.hc_scale[0] + self.hc_base[:n])
        post = 2 * torch.sigmoid(post * self.hc_scale[1] + self.hc_base[n : 2 * n])
        weights = torch.softmax(res * self.hc_scale[2] + self.hc_base[2 * n :], -1)
        return (
            (pre.unsqueeze(-1) * x).sum(2),
            post,
            (weights @ permutations(n).flatten(1)).unflatten(-1, (n, n)),
        )

    def hc_post(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return spread(x, kwargs["residual"], kwargs["post"], kwargs["comb"])

    def forward(
        self, hidden_states: torch.Tensor, mhc_stage: str = "identity", *args: Any, **kwargs: Any
    ) -> Any:
        return {"pre": self.hc_pre, "post": self.hc_post}[mhc_stage](hidden_states, *args, **kwargs)


class LiteLayer(nn.Module):
    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.attn_mhc, self.self_attention = MindSpeedMHCLite(n, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.attn_mhc(x, mhc_stage="pre")
        return self.attn_mhc(
            self.self_attention(y), mhc_stage="post", residual=x, post=post, comb=comb
        )


def lite(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    n = x.shape[1]
    logits = (f.rms(x.reshape(len(x), -1)) * f.values(module.hc_gamma)) @ f.values(
        module.hc_fn.weight
    ).T
    scale, base = f.values(module.hc_scale), f.values(module.hc_base)
    pre, post, res = (
        part * s + b
        for part, s, b in zip(np.split(logits, [n, 2 * n], -1), scale, np.split(base, [n, 2 * n]))
    )
    pre, post = f.sigmoid(pre), 2 * f.sigmoid(post)
    return Reference(
        f.swap(mixture(f.softmax(res), n)), f.weighted(pre, x), f.gate(post), pre, post
    )


def implementations() -> list[Implementation]:
    places = Site("attn_mhc", mindspeed, "self_attention"), Site("mlp_mhc", mindspeed, "mlp")
    return [
        Implementation(
            "mindspeed",
            "MindSpeed-LLM MHC",
            lambda n, d, i: MindSpeedLayer(n, d),
            places,
            *COMB_ROWS,
            pack=sequence_first,
        ),
        Implementation(
            "mhc-lite, mindspeed",
            "mhc-lite, KromHC",
            lambda n, d, i: LiteLayer(n, d),
            (Site("attn_mhc", lite, "self_attention"),),
            *COMB_BOTH,
            fits=few,
            pack=sequence_first,
        ),
    ]
