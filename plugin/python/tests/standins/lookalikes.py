"""Modules that look like connections and are none: wrong shapes, orders, dicts, flat combs, gates
and routers with the names of the real ones.

Each can be run; nothing of it may be taken for a mapping. Own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import torch
import torch.nn.functional as F
from torch import nn

from .lookalike_modules import (
    Attention,
    AttentionResiduals,
    Balanced,
    Capsules,
    ColourMappings,
    Fused,
    HeadMix,
    HyperConnection,
    HyperHead,
    HyperMixer,
    LowRank,
    NoSquare,
    OneWeight,
    OtherShapes,
    Router,
)


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
    _, post, comb = split(module, x)
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
        Lookalike(
            "rows that are no (2 + n) n",
            lambda n, d: deepseek(n, d, lambda m, x: logits(m, x), n * n + 1),
            streams,
            v4,
        ),
        Lookalike("gives its input", lambda n, d: deepseek(n, d, lambda m, x: x), streams, v4),
        Lookalike("a function called fn", lambda n, d: function, tokens, v4),
        Lookalike("hc_attn_fn of other shapes", OtherShapes, tokens, names),
        Lookalike(
            "hc_* alone",
            lambda n, d: Lambda(
                lambda m, x: x, {"hc_attn_fn": (n, d), "hc_attn_base": (n,), "hc_attn_scale": (3,)}
            ),
            tokens,
            names,
        ),
        Lookalike("compute_mappings of colours", ColourMappings, tokens, "HyperConnectionModule"),
        Lookalike(
            "static_alpha without a matrix",
            OneWeight,
            lambda m, n, d: m(torch.randn(2 * n, 6, d)),
            "HyperConnections",
        ),
        Lookalike("router with fn, base, scale", Router, square, v4),
        Lookalike("experts balanced by Sinkhorn", Balanced, square, "mHC"),
        Lookalike("n heads over n tokens", Attention, square, "H"),
        Lookalike("token mixer", HyperMixer, tokens, "HyperMixer"),
        Lookalike("attention residuals", AttentionResiduals, tokens, "Attention Residuals"),
        Lookalike("hypernetwork", HyperConnection, tokens, "HyperConnection"),
        Lookalike("capsules", Capsules, square, "H"),
        Lookalike(
            "talking heads", HeadMix, lambda m, n, d: m(torch.randn(2, n, 6, 6)), "StreamMix"
        ),
        Lookalike("H_res_logits that is not square", NoSquare, square, "tokenbender"),
        Lookalike("hc_count without gates", LowRank, streams, "Qwen4ExpTextGatedResidual"),
        Lookalike("phi of an adapter", Fused, tokens, "LigerMHC"),
        Lookalike("kernel of n x n", conv, lambda m, n, d: m(torch.randn(2, n, 8, 8)), "H"),
        Lookalike(
            "bilinear",
            lambda n, d: nn.Bilinear(n, n, n),
            lambda m, n, d: m(torch.randn(2, 6, n), torch.randn(2, 6, n)),
            "H",
        ),
        Lookalike(
            "recurrent gates",
            lambda n, d: nn.LSTM(n, n, batch_first=True),
            lambda m, n, d: m(torch.randn(2, n, n)),
            "H",
        ),
    ]
