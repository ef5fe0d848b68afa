"""The real hyper-connections 0.4.11: HC, mHC, mHCv2, fractions, views, channels first, proposals; and x-transformers 2.31.10.

alpha [..., source, views + n] is local to width_connection (prepare) and is applied transposed: out_t = sum_s alpha_st x_s.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from . import formulas as f
from .base import BATCH, Array, Implementation, Reference, Site
from .packages import load, missing

HC = "hyper_connections.hyper_connections"
MHC = "hyper_connections.manifold_constrained_hyper_connections"
V2 = "hyper_connections.mHCv2"
ROW, X_ROW = "lucidrains hyper-connections 0.4.11", "x-transformers 2.31.10"


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


def made(where: str, name: str, spread: float, branch: Callable[[int], nn.Module] = lambda d: nn.Linear(d, d), **how: Any) -> Callable[[int, int, int], nn.Module]:
    def layer(n: int, d: int, index: int) -> Any:
        cls = getattr(load("hyper-connections", where), name)
        return roughened(cls(n, dim=d, branch=branch(d), layer_index=index, **how), spread)

    return layer


def coefficients(module: Any, x: Array) -> tuple[Array, Array, Array]:
    """Normed streams [t, n f, d/f], alpha before constraints and beta before its own, of any of the three classes: alpha [p, t, ...]."""
    normed = f.unit_rms(x) * (1 + f.values(module.norm.gamma))
    fn, beta_fn = f.values(module.dynamic_alpha_fn), f.values(module.dynamic_beta_fn)
    return normed, fn if fn.ndim == 3 else fn[None], beta_fn.reshape(len(beta_fn), -1)


def hyper(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """HC, and mHC as its fractions are: x [t, (f n), d/f]. alpha [t, f1, s, (f2, v + n)]."""
    count, (n, fracs, views) = len(x), (module.num_residual_streams, module.num_fracs, module.num_input_views)
    normed, fn, beta_fn = coefficients(module, x)
    plain = hasattr(module, "act")
    act = np.tanh if plain and isinstance(module.act, nn.Tanh) else lambda value: value
    scale = f.values(module.dynamic_alpha_scale) if plain else f.np.concatenate([f.values(module.pre_branch_scale).repeat(fracs), f.values(module.residual_scale).repeat(fracs * n)])
    alpha = act(np.einsum("tsd,pde->ptse", normed, fn)) * scale + f.values(module.static_alpha)
    if not plain:
        alpha = np.concatenate([f.sigmoid(alpha[..., :views]), balanced(alpha[..., views:].reshape(len(fn), count, fracs, n, -1)).reshape(len(fn), count, fracs * n, -1)], -1)
    alpha = alpha.mean(0).reshape(count, fracs * n, fracs, views + n)  # [t, (f1 s), f2, t]
    post_scale = f.values(module.dynamic_beta_scale if plain else module.h_post_scale)
    static = f.values(module.static_beta).reshape(n, fracs)
    beta = act(normed @ beta_fn).reshape(count, fracs, n, fracs) * post_scale + static
    made = parts(x, alpha, beta if plain else 2 * f.sigmoid(beta), views)
    if getattr(module, "channel_first", False):  # 0.4.11 adds to every position the sum of the branch's output over all of them
        write = made.write
        return made._replace(write=lambda y: write(y.reshape(BATCH, -1, y.shape[-1]).sum(1, keepdims=True).repeat(count // BATCH, 1).reshape(y.shape)))
    return made


def balanced(logits: Array) -> Array:
    """mHC's Sinkhorn over [..., n, m]: columns, then rows; square unless there are fractions."""
    return f.alternate(np.exp(logits - logits.max(-2, keepdims=True)), (-2, -1), 20)


def parts(x: Array, alpha: Array, beta: Array, views: int) -> Reference:
    """alpha [t, (f1 s), f2, v + n], beta [t, f1, s, f2], x [t, (f1 s), c] -> the truth; the branch reads f2 after f2, summed over its views."""
    count, wide, fracs, total = alpha.shape
    n = total - views
    h = alpha[..., views:].transpose(0, 2, 3, 1).reshape(count, fracs * n, wide)
    read = np.einsum("tafv,tac->tfvc", alpha[..., :views], x).sum(2).reshape(count, -1)

    def write(y: Array) -> Array:
        return np.einsum("tac,tasf->tfsc", y.reshape(count, fracs, -1), beta).reshape(count, fracs * n, -1)

    one = fracs == 1 and views == 1
    return Reference(h, read, write, alpha[:, :, 0, 0] if one else None, beta[:, 0, :, 0] if one else None)


def second(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """mHCv2: streams [t, (s f), d/f], H over (s f)."""
    count, (n, fracs) = len(x), (module.num_residual_streams, module.num_fracs)
    normed, fn, beta_fn = coefficients(module, x)
    scale = np.concatenate([f.values(module.pre_branch_scale).repeat(fracs), f.values(module.residual_scale).repeat(fracs * n)])
    alpha = np.einsum("tsd,pde->ptse", normed, fn) * scale + f.values(module.static_alpha)
    pre, res = f.sigmoid(alpha[..., :fracs]).mean(0), balanced(alpha[..., fracs:]).mean(0)
    beta = (normed @ beta_fn).reshape(count, n, fracs, fracs) * f.values(module.h_post_scale) + f.values(module.static_beta)
    beta = 2 * f.sigmoid(beta)  # [t, s, f1, f2]
    read = np.einsum("taf,tac->tfc", pre, x).reshape(count, -1)

    def write(y: Array) -> Array:
        return np.einsum("tac,tsaf->tsfc", y.reshape(count, fracs, -1), beta).reshape(count, n * fracs, -1)

    one = fracs == 1
    return Reference(f.swap(res), read, write, pre[..., 0] if one else None, beta[:, :, 0, 0] if one else None)


def stacked(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [(b n), s, d]."""
    return x.movedim(2, 1).flatten(0, 1).contiguous()


def unstacked(x: torch.Tensor, n: int) -> torch.Tensor:
    return x.unflatten(0, (-1, n)).movedim(1, 2).flatten(0, 1)


def fractions(unpack: Callable[[torch.Tensor, int], torch.Tensor], count: int, first: bool) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """[t, n, d] -> [t, (f n), d/f] (first) or [t, (n f), d/f]."""

    def split(x: torch.Tensor, n: int) -> torch.Tensor:
        streams = unpack(x, n).unflatten(-1, (count, -1))
        return (streams.movedim(2, 1) if first else streams).flatten(1, 2)

    return split


def channels(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [(b n), d, s]."""
    return stacked(x).movedim(-1, 1).contiguous()


def prepared(name: str) -> Callable[[int, int, int], nn.Module]:
    def layer(n: int, d: int, index: int) -> nn.Module:
        cls = getattr(load("x-transformers", "x_transformers.x_transformers"), name)
        connection = cls(d, layer_index=index, num_residual_streams=n, read_gate_rank=4)
        with torch.no_grad():
            for parameter in connection.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.5)
        return Prepared(connection, d)

    return layer


class Prepared(nn.Module):
    """As x-transformers' AttentionLayers call it: prepare, the branch, forward."""

    def __init__(self, connection: Any, d: int) -> None:
        super().__init__()
        self.residual_fn, self.branch = connection, nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read, residual, rest = self.residual_fn.prepare(x)
        return self.residual_fn(self.branch(read), residual, **rest)


def ones(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """2.31.10: the matrix of n x n logits is read as n matrices of 1 x n, whose Sinkhorn is all ones."""
    n = x.shape[1]
    mean, deviation = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    normed = (x - mean) / deviation * f.values(module.norm.weight)
    alpha = normed @ f.values(module.dynamic_alpha_fn) * f.values(module.dynamic_alpha_scale) + f.values(module.static_alpha)
    pre = f.sigmoid(alpha[..., 0])
    inner = 2 * f.sigmoid(normed @ f.values(module.dynamic_beta_fn)) * f.values(module.dynamic_beta_scale)
    post = 2 * f.sigmoid(inner + f.values(module.static_beta))
    return Reference(np.ones((len(x), n, n)), f.weighted(pre, x), f.gate(post), pre, post)


def gated(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    n = x.shape[1]
    epsilon = float(np.finfo(np.float32).eps)
    normed = f.rms(x, epsilon) * f.values(module.read_gain)
    down = normed.reshape(len(x), -1) / n @ f.values(module.to_bottleneck.weight).T
    dynamic = down * f.sigmoid(down) * f.values(module.dynamic_gate_scale)
    gate = f.sigmoid((dynamic @ f.values(module.to_read_gate.weight).T).reshape(x.shape) + f.values(module.static_read_logit)[0])
    post = 2 * f.sigmoid(dynamic @ f.values(module.to_write_gate.weight).T + f.values(module.static_write_logit))
    return Reference(np.eye(n)[None].repeat(len(x), 0), (gate * normed).sum(1) / n, f.gate(post), None, post)


def implementations() -> list[Implementation]:
    def own(name: str, where: str, cls: str, kind: str, exact: str, how: Any, stored: str = "comb", flat: bool = True, branch: Any = None, **more: Any) -> Implementation:
        options, spread = more.pop("options", {}), 0.4 if kind == "hc" else 2.0
        place = "branch.line" if branch else "branch"
        layout = {"pack": stacked, "unpack": unstacked} if flat else {}
        layer = made(where, cls, spread, branch or (lambda d: nn.Linear(d, d)), **options)
        return Implementation(name, ROW, layer, (Site("", how, place),), kind, stored, exact, **{"available": lambda: missing("hyper-connections"), **layout, **more})

    manifold, two = "ManifoldConstrainedHyperConnections", {"num_fracs": 2}
    x_site = (Site("residual_fn", ones, "branch"),)
    x_layout: dict[str, Any] = {"pack": stacked, "unpack": unstacked, "available": lambda: missing("x-transformers")}
    return [
        own("lucidrains hc", HC, "HyperConnections", "hc", "none", hyper),
        own("lucidrains hc, channel_first", HC, "HyperConnections", "hc", "none", hyper, options={"channel_first": True}, pack=channels, unpack=lambda x, n: unstacked(x.movedim(1, -1), n), branch=Channels),
        own("lucidrains hc, num_input_views 2", HC, "HyperConnections", "hc", "none", hyper, options={"num_input_views": 2}, branch=Summed),
        own("lucidrains hc, num_fracs 2", HC, "HyperConnections", "hc", "none", hyper, options=two, factor=2, unpack=fractions(unstacked, 2, True)),
        own("lucidrains mhc", MHC, manifold, "mhc", "columns", hyper),
        own("lucidrains mhc, 2 proposals", MHC, manifold, "mhc", "columns", hyper, options={"num_dynamic_alpha_proposals": 2}),
        own("lucidrains mhc, num_fracs 2", MHC, manifold, "mhc", "none", hyper, options=two, factor=2, unpack=fractions(unstacked, 2, True), note="its Sinkhorn runs over n x (2n + 1): no sum is 1"),
        own("lucidrains mhcv2", V2, manifold, "mhc", "columns", second, flat=False),
        own("lucidrains mhcv2, num_fracs 2", V2, manifold, "mhc", "columns", second, flat=False, options=two, factor=2, unpack=fractions(lambda x, n: x.reshape(-1, *x.shape[-2:]), 2, False)),
        own("lucidrains mhcv2, 2 proposals", V2, manifold, "mhc", "columns", second, flat=False, options={"num_dynamic_alpha_proposals": 2}),
        Implementation("x-transformers", X_ROW, prepared("HyperConnection"), x_site, "mhc", "comb", "none", note="H is all ones", **x_layout),
        Implementation("x-transformers gated", X_ROW, prepared("GatedMultiResidual"), (Site("residual_fn", gated, "branch"),), "identity", "identity", "doubly", **x_layout),
    ]
