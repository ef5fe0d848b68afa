"""Stand-ins of Megatron-LM's HyperConnectionModule: main, dev (also fused, single pass), the Bridge's GLM, the gated residual; and FlagOS' Qwen3-mHC.

Own code of the same names, shapes, arguments and order of results. Streams [s, b, n C].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site, Stack
from .deepseek import balance

Pair = tuple[torch.Tensor, Optional[torch.Tensor]]


class HyperConnectionModule(nn.Module):
    """main: forward(hidden_states, residual) -> (aggregated, h_res, h_post); h_res is applied as it is, columns exact."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.n, self.hidden_size, self.sinkhorn_iterations = n, d, 20
        self.mapping_proj = nn.Linear(n * d, n * n + 2 * n, bias=False)
        nn.init.normal_(self.mapping_proj.weight, std=1.5 / (n * d) ** 0.5)
        self.alpha_pre, self.alpha_post, self.alpha_res = (nn.Parameter(torch.full((1,), value)) for value in (0.9, 1.1, 1.3))
        self.bias = nn.Parameter(torch.randn(n * n + 2 * n) * 2)

    def _projection_and_rms(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.mapping_proj(x), 1 / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5 + 1e-8)

    def _compute_h(self, proj: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        n = self.n
        alpha = torch.cat([self.alpha_pre.expand(n), self.alpha_post.expand(n), self.alpha_res.expand(n * n)])
        h = r * proj * alpha + self.bias
        return h[..., :n].sigmoid(), h[..., n : 2 * n].sigmoid() * 2, h[..., 2 * n :]

    def _sinkhorn(self, logits: torch.Tensor) -> torch.Tensor:
        m = logits.exp()
        for _ in range(self.sinkhorn_iterations):
            m = m / m.sum(-1, keepdim=True).clamp(min=1e-8)
            m = m / m.sum(-2, keepdim=True).clamp(min=1e-8)
        return m

    def compute_mappings(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h_pre, h_post, h_res = self._compute_h(*self._projection_and_rms(x))
        return h_pre, h_post, self._sinkhorn(h_res.view(*x.shape[:2], self.n, self.n))

    def aggregate(self, x: torch.Tensor, h_pre: torch.Tensor) -> torch.Tensor:
        return (x.unflatten(-1, (self.n, -1)) * h_pre.unsqueeze(-1)).sum(2)

    def _apply_h_post(self, x: torch.Tensor, h_post: torch.Tensor) -> torch.Tensor:
        return (h_post.unsqueeze(-1) * x.unsqueeze(2)).flatten(2)

    def apply_h_res(self, h_res: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        s, b, _ = residual.shape
        return torch.bmm(h_res.reshape(s * b, self.n, self.n), residual.view(s * b, self.n, -1)).view(s, b, -1)

    def fused_h_res_h_post_bda(self, h_res: torch.Tensor, original_residual: torch.Tensor, h_post: torch.Tensor, layer_output_with_bias: Pair) -> torch.Tensor:
        x, bias = layer_output_with_bias
        return self.apply_h_res(h_res, original_residual) + self._apply_h_post(x if bias is None else x + bias, h_post)

    def forward(self, hidden_states: torch.Tensor, residual: torch.Tensor, training: bool = True, mhc_recompute_manager: Any = None) -> tuple[torch.Tensor, ...]:
        h_pre, h_post, h_res = self.compute_mappings(hidden_states)
        return self.aggregate(hidden_states, h_pre), h_res, h_post


class TransposedModule(HyperConnectionModule):
    """dev: forward(hidden_states, manager) -> (aggregated, h_res, h_post, residual); DeepSeek's Sinkhorn, applied transposed."""

    def _sinkhorn(self, logits: torch.Tensor) -> torch.Tensor:
        return balance(logits, self.sinkhorn_iterations)

    def _compute_h(self, proj: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h_pre, h_post, h_res = super()._compute_h(proj, r)
        return h_pre + 1e-6, h_post, h_res

    def apply_h_res(self, h_res: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return super().apply_h_res(h_res.transpose(-1, -2), residual)

    def forward(self, hidden_states: torch.Tensor, mhc_recompute_manager: Any = None, output_slot: Any = None, mhc_state: Any = None) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
        h_pre, h_post, h_res = self.compute_mappings(hidden_states)
        return self.aggregate(hidden_states, h_pre), h_res, h_post, hidden_states


class FusedModule(TransposedModule):
    """dev with use_fused_mhc: one operation for projection and gates, _compute_h is never called."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__(n, d)
        self._proj_rms_compute_h_op, self._sinkhorn_op = fused_proj_rms_compute_h, balance

    def compute_mappings(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        s, b, _ = x.shape
        alphas = self.alpha_pre, self.alpha_post, self.alpha_res
        h_pre, h_post, h_res, _ = self._proj_rms_compute_h_op(x.reshape(s * b, -1), self.mapping_proj.weight, *alphas, self.bias, self.n)
        h_res = self._sinkhorn_op(h_res.view(s, b, self.n, self.n), self.sinkhorn_iterations, 1e-6)
        return h_pre.view(s, b, self.n), h_post.view(s, b, self.n), h_res


def fused_proj_rms_compute_h(x: torch.Tensor, weight: torch.Tensor, a_pre: torch.Tensor, a_post: torch.Tensor, a_res: torch.Tensor, bias: torch.Tensor, n: int) -> tuple[torch.Tensor, ...]:
    r = 1 / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5 + 1e-6)
    h = F.linear(x, weight) * r
    pre, post, res = h.split([n, n, n * n], -1)
    return (pre * a_pre + bias[:n]).sigmoid() + 1e-6, (post * a_post + bias[n : 2 * n]).sigmoid() * 2, res * a_res + bias[2 * n :], r


@dataclass
class SinglePassMHCState:
    """The gates of the sublayer before, within one forward pass."""

    pre_mix: Optional[torch.Tensor] = None

    def contract(self, hidden_states: torch.Tensor, n: int) -> torch.Tensor:
        streams = hidden_states.unflatten(-1, (n, -1))
        return streams[..., 0, :].contiguous() if self.pre_mix is None else (streams * self.pre_mix.unsqueeze(-1)).sum(-2)


class SinglePassModule(TransposedModule):
    """dev with mhc_single_pass (DeepSeek V4.1)."""

    single_pass = True

    def forward(self, hidden_states: torch.Tensor, mhc_recompute_manager: Any = None, output_slot: Any = None, mhc_state: Any = None) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
        h_pre, h_post, h_res = self.compute_mappings(hidden_states)
        aggregated = mhc_state.contract(hidden_states, self.n)
        mhc_state.pre_mix = h_pre
        return aggregated, h_res, h_post, hidden_states


class Glm5NextHyperConnection(HyperConnectionModule):
    """Megatron-Bridge's subclass of main's: compute_mappings and apply_h_res anew, transposed."""

    def compute_mappings(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h_pre, h_post, h_res = self._compute_h(*self._projection_and_rms(x))
        return h_pre + 1e-6, h_post, balance(h_res.view(*x.shape[:2], self.n, self.n), self.sinkhorn_iterations)

    def apply_h_res(self, h_res: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return super().apply_h_res(h_res.transpose(-1, -2), residual)


class GatedResidualHyperConnection(nn.Module):
    """mhc_variant = "gated_residual": forward -> (read, None, h_post); H_res = I."""

    def __init__(self, n: int, d: int, use_combine: bool = True) -> None:
        super().__init__()
        self.n, self.hidden_size, self.rank, self.use_combine, self.norm_eps = n, d, 4, use_combine, 1e-6
        self.hc_norm = nn.Module()
        self.hc_norm.weight = nn.Parameter(torch.randn(n * d) * 0.1)
        self.input_mix_weight_down, self.input_mix_weight_up = nn.Linear(n * d, 4, bias=False), nn.Linear(4, n * d, bias=False)
        self.block_inject_weight = nn.Linear(n * d, n, bias=False) if use_combine else None

    def _mix(self, x: torch.Tensor) -> tuple[torch.Tensor, Optional[torch.Tensor]]:
        streams = x.unflatten(-1, (self.n, -1))
        xn = streams * torch.rsqrt(streams.square().mean(-1, keepdim=True) + self.norm_eps) * (1 + self.hc_norm.weight.view(self.n, -1))
        mix = torch.sigmoid(self.input_mix_weight_up(F.silu(self.input_mix_weight_down(xn.flatten(-2)) / self.n)))
        read = (mix.unflatten(-1, (self.n, -1)) * xn).mean(-2)
        return read, None if self.block_inject_weight is None else 2 * torch.sigmoid(self.block_inject_weight(xn.flatten(-2)) / self.n)

    def forward(self, hidden_states: torch.Tensor, mhc_recompute_manager: Any = None, return_residual: bool = False) -> tuple[Any, ...]:
        read, inject = self._mix(hidden_states)
        return (read, None, inject, hidden_states) if return_residual else (read, None, inject)

    def apply_h_res(self, h_res: Optional[torch.Tensor], residual: torch.Tensor) -> torch.Tensor:
        return residual

    def fused_h_res_h_post_bda(self, h_res: None, original_residual: torch.Tensor, h_post: torch.Tensor, layer_output_with_bias: Pair) -> torch.Tensor:
        return original_residual + (h_post.unsqueeze(-1) * layer_output_with_bias[0].unsqueeze(2)).flatten(2)


class HyperConnection(TransposedModule):
    """FlagOS' Qwen3-mHC: forward -> (read, h_res, h_post, streams)."""

    def forward(self, streams: torch.Tensor) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
        h_pre, h_post, h_res = self.compute_mappings(streams)
        return self.aggregate(streams, h_pre), h_res, h_post, streams


class Layer(nn.Module):
    """Megatron's HyperConnectionTransformerLayer."""

    def __init__(self, n: int, d: int, module: Any) -> None:
        super().__init__()
        self.self_attention_hyper_connection, self.mlp_hyper_connection = module(n, d), module(n, d)
        self.self_attention, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor, mhc_state: Any = None) -> torch.Tensor:
        for hc, branch in ((self.self_attention_hyper_connection, self.self_attention), (self.mlp_hyper_connection, self.mlp)):
            given = (x, x) if type(hc) in (HyperConnectionModule, Glm5NextHyperConnection) else (x,)
            read, h_res, h_post, *_ = hc(*given, mhc_state=mhc_state) if mhc_state else hc(*given)
            x = hc.fused_h_res_h_post_bda(h_res, x, h_post, (branch(read), None))
        return x


class SinglePassStack(Stack):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = SinglePassMHCState()
        for layer in self.layers:
            x = layer(x, state)
        return x


def reference(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    scale = [f.values(getattr(module, name)) for name in ("alpha_pre", "alpha_post", "alpha_res")]
    own = type(module) is HyperConnectionModule
    how: Any = (lambda logits: f.sinkhorn(logits, (-1, -2))) if own else f.sinkhorn_deepseek
    pre, post, h = f.deepseek(x, f.values(module.mapping_proj.weight), f.values(module.bias), scale, norm_epsilon=0, epsilon=0 if own else 1e-6, balance=how)
    before, carry["pre"] = carry.get("pre"), pre
    read = f.weighted(pre, x)
    if isinstance(module, SinglePassModule):
        read = x[:, 0] if before is None else f.weighted(before, x)
    return Reference(h if own else f.swap(h), read, f.gate(post), pre, post)


def gated(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """H_res = I; the read gate is one number a channel."""
    n = x.shape[1]
    weights = [f.values(getattr(module, name).weight) for name in ("input_mix_weight_down", "input_mix_weight_up", "block_inject_weight")]
    xn = f.rms(x) * (1 + f.values(module.hc_norm.weight).reshape(n, -1))
    flat = xn.reshape(len(x), -1)
    down = flat @ weights[0].T / n
    mix = f.sigmoid((down * f.sigmoid(down)) @ weights[1].T).reshape(x.shape)
    post = 2 * f.sigmoid(flat @ weights[2].T / n)
    return Reference(f.np.eye(n)[None].repeat(len(x), 0), (mix * xn).mean(1), f.gate(post), None, post)


def pack(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [s, b, n d]."""
    return x.transpose(0, 1).flatten(2).contiguous()


def unpack(x: torch.Tensor, n: int) -> torch.Tensor:
    """[s, b, n d] -> [tokens, n, d], tokens (s, b)."""
    return x.reshape(-1, n, x.shape[-1] // n)


def implementations() -> list[Implementation]:
    def made(name: str, row: str, module: Any, stored: str, exact: str, kind: str = "mhc", how: Any = reference, **more: Any) -> Implementation:
        own = Site("self_attention_hyper_connection", how, "self_attention"), Site("mlp_hyper_connection", how, "mlp")
        return Implementation(name, row, lambda n, d, i: Layer(n, d, module), own, kind, stored, exact, pack=pack, unpack=unpack, **more)

    dev, bridge = "Megatron-LM dev", "mcore-bridge, ms-swift, Megatron-Bridge"
    return [
        made("megatron main", "Megatron-LM main", HyperConnectionModule, "H", "columns"),
        made("megatron dev", dev, TransposedModule, "comb", "rows"),
        made("megatron dev, fused", dev, FusedModule, "comb", "rows", note="_compute_h is never called"),
        made("megatron single pass", "Megatron gated residual", SinglePassModule, "comb", "rows", stack=SinglePassStack),
        made("megatron-bridge glm5", bridge, Glm5NextHyperConnection, "comb", "rows"),
        made("megatron gated residual", "Megatron gated residual", GatedResidualHyperConnection, "identity", "doubly", "identity", gated),
        made("flagos qwen3-mhc", "FlagOS Qwen3-mHC", HyperConnection, "comb", "rows"),
    ]
