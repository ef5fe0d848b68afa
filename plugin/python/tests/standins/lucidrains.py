"""The real hyper-connections 0.4.11: HC, mHC, mHCv2, fractions, views, channels first, proposals.

alpha [..., source, views + n] is local to width_connection (prepare) and is applied transposed:
out_t = sum_s alpha_st x_s.
"""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import nn

from .base import Implementation, Site, tokens_of
from .lucidrains_truth import hyper, second
from .packages import load, missing

HC = "hyper_connections.hyper_connections"
MHC = "hyper_connections.manifold_constrained_hyper_connections"
V2 = "hyper_connections.mHCv2"
ROW = "lucidrains hyper-connections 0.4.11"


class Summed(nn.Module):
    """A branch of several views [v, b, ...]."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.line = nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x.sum(0))


class Channels(nn.Module):
    """A branch of channels first, [b, d, s]."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.line = nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x.movedim(1, -1)).movedim(-1, 1)


def roughened(module: Any, spread: float) -> Any:
    """Weights as after some training; spread: of the logits' static part."""
    with torch.no_grad():
        for name, parameter in module.named_parameters(recurse=False):
            if name == "static_alpha":
                parameter.mul_(1 if spread < 1 else 0).add_(torch.randn_like(parameter) * spread)
            elif name.endswith("_fn"):
                parameter.copy_(torch.randn_like(parameter) * 0.3)
            elif name == "static_beta":
                parameter.add_(torch.randn_like(parameter))
            elif name.endswith("scale"):
                parameter.fill_(0.7)
        module.norm.gamma.add_(torch.randn_like(module.norm.gamma) * 0.1)
    return module


def made(
    where: str,
    name: str,
    spread: float,
    branch: Callable[[int], nn.Module] = lambda d: nn.Linear(d, d),
    **how: Any,
) -> Callable[[int, int, int], nn.Module]:
    def layer(n: int, d: int, index: int) -> Any:
        cls = getattr(load("hyper-connections", where), name)
        return roughened(cls(n, dim=d, branch=branch(d), layer_index=index, **how), spread)

    return layer


def stacked(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [(b n), s, d]."""
    return x.movedim(2, 1).flatten(0, 1).contiguous()


def unstacked(x: torch.Tensor, n: int) -> torch.Tensor:
    return x.unflatten(0, (-1, n)).movedim(1, 2).flatten(0, 1)


def fractions(
    unpack: Callable[[torch.Tensor, int], torch.Tensor], count: int, first: bool
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """[t, n, d] -> [t, (f n), d/f] (first) or [t, (n f), d/f]."""

    def split(x: torch.Tensor, n: int) -> torch.Tensor:
        streams = unpack(x, n).unflatten(-1, (count, -1))
        return (streams.movedim(2, 1) if first else streams).flatten(1, 2)

    return split


def channels(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [(b n), d, s]."""
    return stacked(x).movedim(-1, 1).contiguous()


def own(
    name: str, where: str, cls: str, how: Any, exact: str = "columns", **more: Any
) -> Implementation:
    """An entry of one of its classes; `options` are its own."""
    kind = "hc" if where == HC else "mhc"
    options, branch = more.pop("options", {}), more.pop("branch", None)
    layer = made(where, cls, 0.4 if kind == "hc" else 2.0, branch or line, **options)
    place = Site("", how, "branch.line" if branch else "branch")
    layout: dict[str, Any] = {} if where == V2 else {"pack": stacked, "unpack": unstacked}
    there: dict[str, Any] = {"available": lambda: missing("hyper-connections")}
    return Implementation(
        name, ROW, layer, (place,), kind, "comb", exact, **{**layout, **there, **more}
    )


def line(d: int) -> nn.Module:
    return nn.Linear(d, d)


def implementations() -> list[Implementation]:
    plain, manifold = "HyperConnections", "ManifoldConstrainedHyperConnections"
    first: dict[str, Any] = {"channel_first": True}
    views: dict[str, Any] = {"options": {"num_input_views": 2}, "branch": Summed}
    proposals: dict[str, Any] = {"options": {"num_dynamic_alpha_proposals": 2}}
    halves: dict[str, Any] = {"options": {"num_fracs": 2}, "factor": 2}
    flat: dict[str, Any] = {**halves, "unpack": fractions(unstacked, 2, True)}
    axis: dict[str, Any] = {**halves, "unpack": fractions(tokens_of, 2, False)}
    channel: dict[str, Any] = {
        "options": first,
        "pack": channels,
        "unpack": lambda x, n: unstacked(x.movedim(1, -1), n),
        "branch": Channels,
    }
    note = "its Sinkhorn runs over n x (2n + 1): no sum is 1"
    return [
        own("lucidrains hc", HC, plain, hyper, "none"),
        own("lucidrains hc, channel_first", HC, plain, hyper, "none", **channel),
        own("lucidrains hc, num_input_views 2", HC, plain, hyper, "none", **views),
        own("lucidrains hc, num_fracs 2", HC, plain, hyper, "none", **flat),
        own("lucidrains mhc", MHC, manifold, hyper),
        own("lucidrains mhc, 2 proposals", MHC, manifold, hyper, **proposals),
        own("lucidrains mhc, num_fracs 2", MHC, manifold, hyper, "none", note=note, **flat),
        own("lucidrains mhcv2", V2, manifold, second),
        own("lucidrains mhcv2, num_fracs 2", V2, manifold, second, **axis),
        own("lucidrains mhcv2, 2 proposals", V2, manifold, second, **proposals),
    ]
