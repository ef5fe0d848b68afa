"""Stand-ins of Megatron-LM's HyperConnectionModule: main, dev (also fused, single pass), the
Bridge's GLM, the gated residual; and FlagOS' Qwen3-mHC.

Own code of the same names, shapes, arguments and order of results. Streams [s, b, n C].
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import nn

from . import formulas as f
from .base import COMB_ROWS, H_COLUMNS, Array, Implementation, Reference, Site
from .deepseek import balance

Pair = tuple[torch.Tensor, Optional[torch.Tensor]]


class HyperConnectionModule(nn.Module):
    """main: forward(hidden_states, residual) -> (aggregated, h_res, h_post), applied as it is."""

    takes_residual = True

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.n, self.hidden_size, self.sinkhorn_iterations = n, d, 20
        self.mapping_proj = nn.Linear(n * d, n * n + 2 * n, bias=False)
        nn.init.normal_(self.mapping_proj.weight, std=1.5 / (n * d) ** 0.5)
        self.alpha_pre, self.alpha_post, self.alpha_res = (
            nn.Parameter(torch.full((1,), value)) for value in (0.9, 1.1, 1.3)
        )
        self.bias = nn.Parameter(torch.randn(n * n + 2 * n) * 2)

    def _projection_and_rms(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.mapping_proj(x), 1 / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5 + 1e-8)

    def _compute_h(
        self, proj: torch.Tensor, r: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        n = self.n
        alpha = torch.cat(
            [self.alpha_pre.expand(n), self.alpha_post.expand(n), self.alpha_res.expand(n * n)]
        )
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
        return torch.bmm(
            h_res.reshape(s * b, self.n, self.n), residual.view(s * b, self.n, -1)
        ).view(s, b, -1)

    def fused_h_res_h_post_bda(
        self,
        h_res: torch.Tensor,
        original_residual: torch.Tensor,
        h_post: torch.Tensor,
        layer_output_with_bias: Pair,
    ) -> torch.Tensor:
        x, bias = layer_output_with_bias
        return self.apply_h_res(h_res, original_residual) + self._apply_h_post(
            x if bias is None else x + bias, h_post
        )

    def forward(
        self,
        hidden_states: torch.Tensor,
        residual: torch.Tensor,
        training: bool = True,
        mhc_recompute_manager: Any = None,
    ) -> tuple[torch.Tensor, ...]:
        h_pre, h_post, h_res = self.compute_mappings(hidden_states)
        return self.aggregate(hidden_states, h_pre), h_res, h_post


class TransposedModule(HyperConnectionModule):
    """dev: forward(hidden_states, manager) -> (aggregated, h_res, h_post, residual); DeepSeek's
    Sinkhorn, applied transposed."""

    takes_residual = False

    def _sinkhorn(self, logits: torch.Tensor) -> torch.Tensor:
        return balance(logits, self.sinkhorn_iterations)

    def _compute_h(
        self, proj: torch.Tensor, r: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h_pre, h_post, h_res = super()._compute_h(proj, r)
        return h_pre + 1e-6, h_post, h_res

    def apply_h_res(self, h_res: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return super().apply_h_res(h_res.transpose(-1, -2), residual)

    def forward(  # type: ignore[override]
        self,
        hidden_states: torch.Tensor,
        mhc_recompute_manager: Any = None,
        output_slot: Any = None,
        mhc_state: Any = None,
    ) -> tuple[torch.Tensor, ...]:
        h_pre, h_post, h_res = self.compute_mappings(hidden_states)
        return self.aggregate(hidden_states, h_pre), h_res, h_post, hidden_states


class Layer(nn.Module):
    """Megatron's HyperConnectionTransformerLayer."""

    def __init__(self, n: int, d: int, module: Any) -> None:
        super().__init__()
        self.self_attention_hyper_connection, self.mlp_hyper_connection = module(n, d), module(n, d)
        self.self_attention, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor, mhc_state: Any = None) -> torch.Tensor:
        pairs: Any = (
            (self.self_attention_hyper_connection, self.self_attention),
            (self.mlp_hyper_connection, self.mlp),
        )
        for hc, branch in pairs:
            given = (x, x) if getattr(hc, "takes_residual", False) else (x,)
            read, h_res, h_post, *_ = hc(*given, mhc_state=mhc_state) if mhc_state else hc(*given)
            x = hc.fused_h_res_h_post_bda(h_res, x, h_post, (branch(read), None))
        return x


def reference(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    scale = [f.values(getattr(module, name)) for name in ("alpha_pre", "alpha_post", "alpha_res")]
    own = type(module) is HyperConnectionModule
    how: Any = (lambda logits: f.sinkhorn(logits, (-1, -2))) if own else f.sinkhorn_deepseek
    pre, post, h = f.deepseek(
        x,
        f.values(module.mapping_proj.weight),
        f.values(module.bias),
        scale,
        norm_epsilon=0,
        epsilon=0 if own else 1e-6,
        balance=how,
    )
    before, carry["pre"] = carry.get("pre"), pre
    read = f.weighted(pre, x)
    if getattr(module, "single_pass", False):
        read = x[:, 0] if before is None else f.weighted(before, x)
    return Reference(h if own else f.swap(h), read, f.gate(post), pre, post)


def pack(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [s, b, n d]."""
    return x.transpose(0, 1).flatten(2).contiguous()


def unpack(x: torch.Tensor, n: int) -> torch.Tensor:
    """[s, b, n d] -> [tokens, n, d], tokens (s, b)."""
    return x.reshape(-1, n, x.shape[-1] // n)


def made(
    name: str, row: str, module: Any, about: tuple[str, str, str], how: Any = None, **more: Any
) -> Implementation:
    """An entry of a layer with two of these modules."""
    own = (
        Site("self_attention_hyper_connection", how or reference, "self_attention"),
        Site("mlp_hyper_connection", how or reference, "mlp"),
    )
    layout: dict[str, Any] = {"pack": pack, "unpack": unpack}
    kind, stored, exact = about
    layer = lambda n, d, i: Layer(n, d, module)  # noqa: E731
    return Implementation(name, row, layer, own, kind, stored, exact, **layout, **more)


def implementations() -> list[Implementation]:
    return [
        made("megatron main", "Megatron-LM main", HyperConnectionModule, H_COLUMNS),
        made("megatron dev", "Megatron-LM dev", TransposedModule, COMB_ROWS),
    ]
