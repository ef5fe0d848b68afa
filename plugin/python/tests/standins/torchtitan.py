"""Stand-ins of torchtitan's DeepSeek V4 (HcPre owns hc_fn, hc_base, hc_scale) and of
torchtitan-npu's
(parameters on the block, hc_pre a child module). Own code of the same names and order of
results."""

from __future__ import annotations

import torch
from torch import nn

from .base import COMB_ROWS, Implementation, Site
from .deepseek import Parameters, mixes, of, rough, sites, split, spread


class HcSplitSinkhorn(nn.Module):
    def __init__(self, n: int, first: float) -> None:
        super().__init__()
        self.hc_mult, self.first = n, first

    def forward(
        self, x: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return split(x, hc_scale, hc_base, self.hc_mult, first=self.first)


class HcPost(nn.Module):
    def forward(
        self, x: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return spread(x, residual, post, comb)


class HcPre(nn.Module):
    """torchtitan's: owns hc_fn, hc_base, hc_scale; forward(x) -> (y, post, comb)."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_mult, self.norm_eps = n, 1e-6
        self.hc_fn, self.hc_base, self.hc_scale = rough((2 + n) * n, n, d)
        self.sinkhorn = HcSplitSinkhorn(n, 0.0)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pre, post, comb = self.sinkhorn(
            mixes(x, self.hc_fn), self.hc_scale.float(), self.hc_base.float()
        )
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb


class TorchtitanLayer(nn.Module):
    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_attn_pre, self.hc_ffn_pre, self.hc_post = HcPre(n, d), HcPre(n, d), HcPost()
        self.attention, self.moe = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.hc_attn_pre(x)
        x = self.hc_post(self.attention(y), x, post, comb)
        y, post, comb = self.hc_ffn_pre(x)
        return self.hc_post(self.moe(y), x, post, comb)


class NpuHcPre(nn.Module):
    """torchtitan-npu's: a child module without parameters, which are handed to it."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.hc_mult, self.hc_sinkhorn_iters, self.hc_eps, self.norm_eps = n, 20, 1e-6, 1e-6
        self.torch_hc_split_sinkhorn = HcSplitSinkhorn(n, 1e-6)

    def forward(
        self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pre, post, comb = self.torch_hc_split_sinkhorn(mixes(x, hc_fn), hc_scale, hc_base)
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb


class NpuBlock(Parameters):
    def __init__(self, n: int, d: int) -> None:
        super().__init__(n, d)
        self.hc_pre, self.hc_post = NpuHcPre(n), HcPost()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.hc_pre(x, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base)
        x = self.hc_post(self.attn(y), x, post, comb)
        y, post, comb = self.hc_pre(x, self.hc_ffn_fn, self.hc_ffn_scale, self.hc_ffn_base)
        return self.hc_post(self.ffn(y), x, post, comb)


def implementations() -> list[Implementation]:
    titan = (
        Site("hc_attn_pre", of("hc_"), "attention"),
        Site("hc_ffn_pre", of("hc_"), "moe"),
    )
    main, npu = "torchtitan main", "torchtitan-npu"
    return [
        Implementation(
            "torchtitan", main, lambda n, d, i: TorchtitanLayer(n, d), titan, *COMB_ROWS
        ),
        Implementation(npu, npu, lambda n, d, i: NpuBlock(n, d), sites(), *COMB_ROWS),
    ]
