"""Modules with the names of connections that are none. Own code."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class HyperHead(nn.Module):
    """The collapse at the end of DeepSeek V4."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_mult = n
        self.hc_fn, self.hc_base = (
            nn.Parameter(torch.randn(n, n * d) * 0.1),
            nn.Parameter(torch.zeros(n)),
        )
        self.hc_scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pre = torch.sigmoid(F.linear(x.flatten(2), self.hc_fn) * self.hc_scale + self.hc_base)
        return (pre.unsqueeze(-1) * x).sum(2)


class OtherShapes(nn.Module):
    """hc_attn_fn and the like of other shapes, hc_pre of one argument."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_attn_fn, self.hc_attn_base = (
            nn.Parameter(torch.randn(d, d)),
            nn.Parameter(torch.randn(d)),
        )
        self.hc_attn_scale = nn.Parameter(torch.ones(1))

    def hc_pre(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.hc_attn_fn, self.hc_attn_base) * self.hc_attn_scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.hc_pre(x)


class ColourMappings(nn.Module):
    """Megatron's names: compute_mappings, apply_h_res, mapping_proj, n; but two results, of which
    none is square."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.n, self.hidden_size = n, d
        self.mapping_proj, self.bias = nn.Linear(d, 3 * n), nn.Parameter(torch.zeros(3 * n))

    def compute_mappings(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.mapping_proj(x) + self.bias
        return out[..., : self.n], out[..., self.n :]

    def apply_h_res(self, h_res: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.apply_h_res(self.compute_mappings(x)[1], x)


class OneWeight(nn.Module):
    """lucidrains' names: static_alpha and width_connection, but one weight a stream and no
    matrix."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.num_residual_streams, self.branch = n, nn.Linear(d, d)
        self.static_alpha, self.static_beta = (
            nn.Parameter(torch.ones(n)),
            nn.Parameter(torch.ones(n)),
        )

    def width_connection(
        self, residuals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
        streams = residuals.unflatten(0, (-1, self.num_residual_streams))
        return torch.einsum("bs...,s->b...", streams, self.static_alpha), residuals, {}

    def forward(self, residuals: torch.Tensor) -> torch.Tensor:
        read, residuals, _ = self.width_connection(residuals)
        return residuals + self.branch(read).repeat_interleave(self.num_residual_streams, 0)


class Router(nn.Module):
    """A router of a mixture of experts with fn, base, scale: n tokens to n experts, [b, n, n]."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.fn, self.base, self.scale = (
            nn.Linear(d, n, bias=False),
            nn.Parameter(torch.zeros(n)),
            nn.Parameter(torch.ones(1)),
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = (self.fn(x) * self.scale + self.base).softmax(-1)
        return scores, scores.topk(1, -1).indices


class Balanced(nn.Module):
    """Experts balanced by Sinkhorn: [b, n, n], doubly stochastic, over tokens and experts."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.gate = nn.Linear(d, n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m = self.gate(x).exp()
        for _ in range(20):
            m = m / m.sum(-1, keepdim=True)
            m = m / m.sum(-2, keepdim=True)
        return m @ x


class Attention(nn.Module):
    """n heads over n tokens, its weights [b, n, n, n] returned."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.n, self.qkv = n, nn.Linear(d, 3 * d)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q, k, v = (
            part.unflatten(-1, (self.n, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        weights = (q @ k.transpose(-1, -2)).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2), weights


class HyperMixer(nn.Module):
    """Primus' names (fn, scale, base, compute_weights), of the token mixer of Mai et al.: weights
    [b, s, d]."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.fn, self.scale, self.base = (
            nn.Linear(d, d),
            nn.Parameter(torch.ones(d)),
            nn.Parameter(torch.zeros(d)),
        )

    def compute_weights(self, x: torch.Tensor) -> torch.Tensor:
        return self.fn(x) * self.scale + self.base

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.compute_weights(x)
        return w @ F.gelu(w.transpose(1, 2) @ x)


class AttentionResiduals(nn.Module):
    """arXiv 2603.15031: softmax over the outputs of all layers before, no n x n map."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(d, d) for _ in range(n)])
        self.queries = nn.ParameterList([nn.Parameter(torch.randn(d)) for _ in range(n)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = [x]
        for layer, query in zip(self.layers, self.queries):
            stack = torch.stack(kept, -2)
            scores = F.normalize(stack, dim=-1) @ query
            kept.append(layer((scores.softmax(-1).unsqueeze(-1) * stack).sum(-2)))
        return kept[-1]


class HyperConnection(nn.Module):
    """The name alone: a network that makes the weights of another."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.n, self.make = n, nn.Linear(d, n * n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.make(x.mean(1)).unflatten(-1, (self.n, self.n))
        return torch.einsum("bij,bsj->bsi", weights, x[..., : self.n])


class Capsules(nn.Module):
    """Coupling coefficients of n capsules to n: [b, n, n], rows 1, between layers of capsules."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.n, self.w = n, nn.Parameter(torch.randn(n, n, d, d) * 0.1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        votes = torch.einsum("bnd,nmde->bnme", x, self.w)
        coupling = (votes * votes.mean(1, keepdim=True)).sum(-1).softmax(-1)
        return torch.einsum("bnm,bnme->bme", coupling, votes), coupling


class HeadMix(nn.Module):
    """matrix() -> [n, n], as mhc-poc's StreamMix, over attention heads (talking heads)."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.heads, self.logits = n, nn.Parameter(torch.randn(n, n))

    def matrix(self) -> torch.Tensor:
        return self.logits.softmax(-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ij,bjst->bist", self.matrix(), x)


class NoSquare(nn.Module):
    """tokenbender's H_res_logits, [n, n + 1], and sorting's perm_mats beside it."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.num_residual_streams, self.H_res_logits = n, nn.Parameter(torch.randn(n, n + 1))
        self.register_buffer("perm_mats", torch.eye(n).roll(1, 0).unsqueeze(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("st,bsd->btd", self.H_res_logits.softmax(-1), x)


class LowRank(nn.Module):
    """Qwen's hc_count and hc_norm without its gates."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_count, self.hidden_size, self.hc_norm = n, d, nn.LayerNorm(n * d)
        self.input_mix_weight_down = nn.Linear(n * d, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.input_mix_weight_down(self.hc_norm(x.flatten(2)))


class Fused(nn.Module):
    """Liger's phi, b, hc, c, alpha_* of a low-rank adapter."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc, self.c, self.layer = n, d, nn.Linear(d, d)
        self.phi, self.b = nn.Parameter(torch.randn(d, n)), nn.Parameter(torch.zeros(n))
        for name in ("alpha_pre", "alpha_post", "alpha_res"):
            setattr(self, name, nn.Parameter(torch.ones(())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + (x @ self.phi + self.b) @ self.phi.T * self.get_parameter(
            "alpha_res"
        )
