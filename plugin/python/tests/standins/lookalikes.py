"""Modules that look like connections and are none: wrong shapes, orders, dicts, flat combs, gates and routers with the names of the real ones.

Each can be run; nothing of it may be taken for a mapping. Own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Lookalike:
    """One of them. `run` gives what the module gives."""

    name: str
    make: Callable[[int, int], nn.Module]  # (n, d)
    run: Callable[[nn.Module, int, int], Any]
    like: str  # whose names it has


class Lambda(nn.Module):
    """A module of given parameters, attributes and forward."""

    def __init__(
        self, forward: Callable[..., Any], parameters: dict[str, tuple[int, ...]], **attributes: Any
    ) -> None:
        super().__init__()
        for name, shape in parameters.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape) * 0.1))
        for name, value in attributes.items():
            setattr(self, name, value)
        self.__dict__["_forward"] = forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["_forward"](self, *args, **kwargs)


def deepseek(n: int, d: int, forward: Callable[..., Any], rows: int | None = None) -> nn.Module:
    """fn, base, scale and hc_mult as DeepseekV4HyperConnection has them."""
    rows = (2 + n) * n if rows is None else rows
    return Lambda(forward, {"fn": (rows, n * d), "base": (rows,), "scale": (3,)}, hc_mult=n)


def logits(module: Any, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x.flatten(2), module.fn) + module.base


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
    """Megatron's names: compute_mappings, apply_h_res, mapping_proj, n; but two results, of which none is square."""

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
    """lucidrains' names: static_alpha and width_connection, but one weight a stream and no matrix."""

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
    """Primus' names (fn, scale, base, compute_weights), of the token mixer of Mai et al.: weights [b, s, d]."""

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
            scores = F.rms_norm(stack, stack.shape[-1:]) @ query
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


def split(module: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    n = module.hc_mult
    return logits(module, x).split([n, n, n * n], -1)


def flat(module: Any, x: torch.Tensor) -> Any:
    pre, post, comb = split(module, x)
    return post, comb, (pre.unsqueeze(-1) * x).sum(2)


def a_dict(module: Any, x: torch.Tensor) -> Any:
    pre, post, comb = split(module, x)
    return {"pre": pre, "post": post, "comb": comb.unflatten(-1, (module.hc_mult, module.hc_mult))}


def two_squares(module: Any, x: torch.Tensor) -> Any:
    """Logits and a square more: none can be told to be the mapping."""
    n = module.hc_mult
    comb = split(module, x)[2].unflatten(-1, (n, n))
    return comb, comb.softmax(-1), comb.softmax(-2)


def summed(module: Any, x: torch.Tensor) -> Any:
    """One matrix for all tokens of a batch, without an axis of them."""
    pre, post, comb = split(module, x)
    return post, comb.sum((0, 1)).unflatten(-1, (module.hc_mult, module.hc_mult)), x.mean(2), None


def lookalikes() -> list[Lookalike]:
    """All of them."""

    def streams(module: nn.Module, n: int, d: int) -> Any:
        return module(torch.randn(2, 6, n, d))

    def tokens(module: nn.Module, n: int, d: int) -> Any:
        return module(torch.randn(2, 6, d))

    def square(module: nn.Module, n: int, d: int) -> Any:
        return module(torch.randn(2, n, d))

    v4, names = "DeepseekV4HyperConnection", "hc_attn_fn"
    conv: Callable[[int, int], nn.Module] = lambda n, d: nn.Conv2d(n, n, n, padding="same")  # noqa: E731
    function = Lambda(
        lambda m, x: m.fn(x) * m.scale + m.base, {}, fn=torch.tanh, base=0.0, scale=2.0, hc_mult=4
    )
    return [
        Lookalike("final collapse", HyperHead, streams, v4),
        Lookalike("flat comb", lambda n, d: deepseek(n, d, flat), streams, v4),
        Lookalike("a dict", lambda n, d: deepseek(n, d, a_dict), streams, v4),
        Lookalike("three squares", lambda n, d: deepseek(n, d, two_squares), streams, v4),
        Lookalike("one matrix for a batch", lambda n, d: deepseek(n, d, summed), streams, v4),
        Lookalike("rows that are no (2 + n) n", lambda n, d: deepseek(n, d, lambda m, x: logits(m, x), n * n + 1), streams, v4),
        Lookalike("gives its input", lambda n, d: deepseek(n, d, lambda m, x: x), streams, v4),
        Lookalike("a function called fn", lambda n, d: function, tokens, v4),
        Lookalike("hc_attn_fn of other shapes", OtherShapes, tokens, names),
        Lookalike("hc_* alone", lambda n, d: Lambda(lambda m, x: x, {"hc_attn_fn": (n, d), "hc_attn_base": (n,), "hc_attn_scale": (3,)}), tokens, names),
        Lookalike("compute_mappings of colours", ColourMappings, tokens, "HyperConnectionModule"),
        Lookalike("static_alpha without a matrix", OneWeight, lambda m, n, d: m(torch.randn(2 * n, 6, d)), "HyperConnections"),
        Lookalike("router with fn, base, scale", Router, square, v4),
        Lookalike("experts balanced by Sinkhorn", Balanced, square, "mHC"),
        Lookalike("n heads over n tokens", Attention, square, "H"),
        Lookalike("token mixer", HyperMixer, tokens, "HyperMixer"),
        Lookalike("attention residuals", AttentionResiduals, tokens, "Attention Residuals"),
        Lookalike("hypernetwork", HyperConnection, tokens, "HyperConnection"),
        Lookalike("capsules", Capsules, square, "H"),
        Lookalike("talking heads", HeadMix, lambda m, n, d: m(torch.randn(2, n, 6, 6)), "StreamMix"),
        Lookalike("H_res_logits that is not square", NoSquare, square, "tokenbender"),
        Lookalike("hc_count without gates", LowRank, streams, "Qwen4ExpTextGatedResidual"),
        Lookalike("phi of an adapter", Fused, tokens, "LigerMHC"),
        Lookalike("kernel of n x n", conv, lambda m, n, d: m(torch.randn(2, n, 8, 8)), "H"),
        Lookalike("bilinear", lambda n, d: nn.Bilinear(n, n, n), lambda m, n, d: m(torch.randn(2, 6, n), torch.randn(2, 6, n)), "H"),
        Lookalike("recurrent gates", lambda n, d: nn.LSTM(n, n, batch_first=True), lambda m, n, d: m(torch.randn(2, n, n)), "H"),
    ]  # fmt: skip
