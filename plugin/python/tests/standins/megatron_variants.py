"""Stand-ins of Megatron's variants: dev (also fused and single pass), the Bridge's GLM, the gated
residual; and FlagOS' Qwen3-mHC. Own code of the same names and order of results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import formulas as f
from .base import (
    COMB_ROWS,
    IDENTITY,
    Array,
    Implementation,
    Reference,
    Stack,
)
from .deepseek import balance
from .megatron import HyperConnectionModule, Pair, TransposedModule, made


def fused_proj_rms_compute_h(
    x: torch.Tensor,
    weight: torch.Tensor,
    a_pre: torch.Tensor,
    a_post: torch.Tensor,
    a_res: torch.Tensor,
    bias: torch.Tensor,
    n: int,
) -> tuple[torch.Tensor, ...]:
    r = 1 / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5 + 1e-6)
    h = F.linear(x, weight) * r
    pre, post, res = h.split([n, n, n * n], -1)
    return (
        (pre * a_pre + bias[:n]).sigmoid() + 1e-6,
        (post * a_post + bias[n : 2 * n]).sigmoid() * 2,
        res * a_res + bias[2 * n :],
        r,
    )


class FusedModule(TransposedModule):
    """dev with use_fused_mhc: one operation for projection and gates, _compute_h is never
    called."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__(n, d)
        self._proj_rms_compute_h_op, self._sinkhorn_op = fused_proj_rms_compute_h, balance

    def compute_mappings(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        s, b, _ = x.shape
        alphas = self.alpha_pre, self.alpha_post, self.alpha_res
        h_pre, h_post, h_res, _ = self._proj_rms_compute_h_op(
            x.reshape(s * b, -1), self.mapping_proj.weight, *alphas, self.bias, self.n
        )
        h_res = self._sinkhorn_op(h_res.view(s, b, self.n, self.n), self.sinkhorn_iterations, 1e-6)
        return h_pre.view(s, b, self.n), h_post.view(s, b, self.n), h_res


@dataclass
class SinglePassMHCState:
    """The gates of the sublayer before, within one forward pass."""

    pre_mix: Optional[torch.Tensor] = None

    def contract(self, hidden_states: torch.Tensor, n: int) -> torch.Tensor:
        streams = hidden_states.unflatten(-1, (n, -1))
        return (
            streams[..., 0, :].contiguous()
            if self.pre_mix is None
            else (streams * self.pre_mix.unsqueeze(-1)).sum(-2)
        )


class SinglePassModule(TransposedModule):
    """dev with mhc_single_pass (DeepSeek V4.1)."""

    single_pass = True

    def forward(  # type: ignore[override]
        self,
        hidden_states: torch.Tensor,
        mhc_recompute_manager: Any = None,
        output_slot: Any = None,
        mhc_state: Any = None,
    ) -> tuple[torch.Tensor, ...]:
        h_pre, h_post, h_res = self.compute_mappings(hidden_states)
        aggregated = mhc_state.contract(hidden_states, self.n)
        mhc_state.pre_mix = h_pre
        return aggregated, h_res, h_post, hidden_states


class SinglePassStack(Stack):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = SinglePassMHCState()
        for layer in self.layers:
            x = layer(x, state)
        return x


class Glm5NextHyperConnection(HyperConnectionModule):
    """Megatron-Bridge's subclass of main's: compute_mappings and apply_h_res anew, transposed."""

    def compute_mappings(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h_pre, h_post, h_res = self._compute_h(*self._projection_and_rms(x))
        return (
            h_pre + 1e-6,
            h_post,
            balance(h_res.view(*x.shape[:2], self.n, self.n), self.sinkhorn_iterations),
        )

    def apply_h_res(self, h_res: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return super().apply_h_res(h_res.transpose(-1, -2), residual)


class GatedResidualHyperConnection(nn.Module):
    """mhc_variant = "gated_residual": forward -> (read, None, h_post); H_res = I."""

    def __init__(self, n: int, d: int, use_combine: bool = True) -> None:
        super().__init__()
        self.n, self.hidden_size, self.rank, self.use_combine, self.norm_eps = (
            n,
            d,
            4,
            use_combine,
            1e-6,
        )
        self.hc_norm = nn.Module()
        self.hc_norm.weight = nn.Parameter(torch.randn(n * d) * 0.1)
        self.input_mix_weight_down, self.input_mix_weight_up = (
            nn.Linear(n * d, 4, bias=False),
            nn.Linear(4, n * d, bias=False),
        )
        self.block_inject_weight = nn.Linear(n * d, n, bias=False) if use_combine else None

    def _mix(self, x: torch.Tensor) -> tuple[torch.Tensor, Optional[torch.Tensor]]:
        streams = x.unflatten(-1, (self.n, -1))
        xn = (
            streams
            * torch.rsqrt(streams.square().mean(-1, keepdim=True) + self.norm_eps)
            * (1 + self.hc_norm.get_parameter("weight").view(self.n, -1))
        )
        mix = torch.sigmoid(
            self.input_mix_weight_up(F.silu(self.input_mix_weight_down(xn.flatten(-2)) / self.n))
        )
        read = (mix.unflatten(-1, (self.n, -1)) * xn).mean(-2)
        return read, None if self.block_inject_weight is None else 2 * torch.sigmoid(
            self.block_inject_weight(xn.flatten(-2)) / self.n
        )

    def forward(
        self,
        hidden_states: torch.Tensor,
        mhc_recompute_manager: Any = None,
        return_residual: bool = False,
    ) -> tuple[Any, ...]:
        read, inject = self._mix(hidden_states)
        return (read, None, inject, hidden_states) if return_residual else (read, None, inject)

    def apply_h_res(self, h_res: Optional[torch.Tensor], residual: torch.Tensor) -> torch.Tensor:
        return residual

    def fused_h_res_h_post_bda(
        self,
        h_res: None,
        original_residual: torch.Tensor,
        h_post: torch.Tensor,
        layer_output_with_bias: Pair,
    ) -> torch.Tensor:
        return original_residual + (
            h_post.unsqueeze(-1) * layer_output_with_bias[0].unsqueeze(2)
        ).flatten(2)


class HyperConnection(TransposedModule):
    """FlagOS' Qwen3-mHC: forward -> (read, h_res, h_post, streams)."""

    def forward(self, streams: torch.Tensor) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
        h_pre, h_post, h_res = self.compute_mappings(streams)
        return self.aggregate(streams, h_pre), h_res, h_post, streams


def gated(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """H_res = I; the read gate is one number a channel."""
    n = x.shape[1]
    weights = [
        f.values(getattr(module, name).weight)
        for name in ("input_mix_weight_down", "input_mix_weight_up", "block_inject_weight")
    ]
    xn = f.rms(x) * (1 + f.values(module.hc_norm.weight).reshape(n, -1))
    flat = xn.reshape(len(x), -1)
    down = flat @ weights[0].T / n
    mix = f.sigmoid((down * f.sigmoid(down)) @ weights[1].T).reshape(x.shape)
    post = 2 * f.sigmoid(flat @ weights[2].T / n)
    return Reference(
        np.eye(n)[None].repeat(len(x), 0), (mix * xn).mean(1), f.gate(post), None, post
    )


def implementations() -> list[Implementation]:
    dev, row = "Megatron-LM dev", "Megatron gated residual"
    bridge, residual = "mcore-bridge, ms-swift, Megatron-Bridge", GatedResidualHyperConnection
    single: dict[str, Any] = {"stack": SinglePassStack}
    fused = {"note": "_compute_h is never called"}
    return [
        made("megatron dev, fused", dev, FusedModule, COMB_ROWS, **fused),
        made("megatron single pass", row, SinglePassModule, COMB_ROWS, **single),
        made("megatron-bridge glm5", bridge, Glm5NextHyperConnection, COMB_ROWS),
        made("megatron gated residual", row, residual, IDENTITY, gated),
        made("flagos qwen3-mhc", "FlagOS Qwen3-mHC", HyperConnection, COMB_ROWS),
    ]
