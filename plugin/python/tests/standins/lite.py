"""Stand-ins of exact mHC: mhc-lite's MHCLite (a mixture of permutations; its first form, its fast
one, MindSpeed's) and KromHC (a Kronecker product).

Own code of the same names, shapes, arguments and order of results. Streams [(b n), s, d] unless
said; H is doubly stochastic to rounding.
"""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum
from torch import nn

from . import formulas as f
from .base import COMB_BOTH, Array, Implementation, Reference, Site
from .lucidrains import stacked, unstacked


def permutations(n: int) -> torch.Tensor:
    """All n! matrices, [n!, n, n], the identity first."""
    return torch.eye(n)[torch.tensor(list(itertools.permutations(range(n))))]


class RMSNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale, self.gamma = dim**0.5, nn.Parameter(torch.randn(dim) * 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x, dim=-1) * self.scale * (self.gamma + 1)


class Exact(nn.Module):
    """What MHCLite's first form and KromHC share with HyperConnections: static_alpha [n + m],
    dynamic_alpha_fn [n d, m + n], norm over n d."""

    def __init__(
        self, num_residual_streams: int, *, dim: int, branch: nn.Module, coefficients: int
    ) -> None:
        super().__init__()
        n = num_residual_streams
        self.branch, self.num_residual_streams, self.num_fracs, self.num_input_views = (
            branch,
            n,
            1,
            1,
        )
        self.has_fracs, self.channel_first, self.add_branch_out_to_residual = False, False, True
        self.norm = RMSNorm(dim * n)
        self.static_alpha = nn.Parameter(torch.randn(n + coefficients))
        self.dynamic_alpha_fn = nn.Parameter(
            torch.randn(dim * n, coefficients + n) / (n * dim) ** 0.5
        )
        self.pre_branch_scale, self.residual_scale = (
            nn.Parameter(torch.ones(1) * 0.7),
            nn.Parameter(torch.ones(1) * 0.9),
        )
        self.static_beta = nn.Parameter(torch.randn(n))
        self.dynamic_beta_fn = nn.Parameter(torch.randn(dim * n, n) / (n * dim) ** 0.5)
        self.h_post_scale = nn.Parameter(torch.ones(()) * 0.8)
        self.dropout, self.residual_transform = nn.Dropout(0.0), nn.Identity()

    def residual(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def width_connection(
        self, residuals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        n = self.num_residual_streams
        x = residuals.unflatten(0, (-1, n)).movedim(1, -2)
        normed = self.norm(x.flatten(-2))
        weight = normed @ self.dynamic_alpha_fn
        pre = torch.sigmoid(
            self.pre_branch_scale * weight[..., :n] + self.static_alpha[:n]
        ).unsqueeze(-1)
        alpha = torch.cat((pre, self.residual(weight[..., n:], self.static_alpha[n:])), -1)
        beta = 2 * torch.sigmoid(
            normed @ self.dynamic_beta_fn * self.h_post_scale + self.static_beta
        )
        mixed = einsum(
            alpha[..., None, :, None, :],
            x[..., None, :, :],
            "... f1 s f2 t, ... f1 s d -> ... f2 t d",
        )[..., 0, :, :]
        return mixed[..., 0, :], mixed[..., 1:, :].movedim(-2, 1).flatten(0, 1), {"beta": beta}

    def depth_connection(
        self, branch_output: torch.Tensor, residuals: torch.Tensor, *, beta: torch.Tensor
    ) -> torch.Tensor:
        out = torch.einsum("...d,...s->...sd", branch_output, beta)
        return self.dropout(out.movedim(-2, 1).flatten(0, 1) + residuals)

    def forward(self, residuals: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        read, residuals, rest = self.width_connection(residuals)
        return self.depth_connection(self.branch(read, *args, **kwargs), residuals, **rest)


class MHCLite(Exact):
    """The first form: its attributes are those of HyperConnections, and were read as HC."""

    def __init__(self, num_residual_streams: int, *, dim: int, branch: nn.Module) -> None:
        super().__init__(
            num_residual_streams,
            dim=dim,
            branch=branch,
            coefficients=math.factorial(num_residual_streams),
        )

    def residual(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.residual_scale * dynamic + static, -1)
        return torch.einsum("...r,rij->...ij", weights, permutations(self.num_residual_streams))


class FastMHCLite(nn.Module):
    """The fast form: s, alpha_proj, beta_proj, perm_mats; everything local to forward."""

    def __init__(self, num_residual_streams: int, *, dim: int, branch: nn.Module) -> None:
        super().__init__()
        n = num_residual_streams
        self.branch, self.s, self.dim, self.add_branch_out_to_residual, self.n_fact = (
            branch,
            n,
            dim,
            True,
            math.factorial(n),
        )
        self.register_buffer("perm_mats", permutations(n), persistent=False)
        self.alpha_proj, self.beta_proj = nn.Linear(dim * n, n + self.n_fact), nn.Linear(dim * n, n)
        nn.init.normal_(self.alpha_proj.bias)
        self.dropout, self.norm_scale = nn.Identity(), (dim * n) ** 0.5

    def forward(self, residuals: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        x = residuals.unflatten(0, (-1, self.s)).transpose(1, 2)  # [b, t, s, d]
        norm = F.normalize(x.flatten(2).float(), dim=-1) * self.norm_scale
        alpha = self.alpha_proj(norm)
        h_res = torch.einsum("btn,nij->btij", F.softmax(alpha[..., self.s :], -1), self.perm_mats)
        read = torch.einsum("bts,btsd->btd", torch.sigmoid(alpha[..., : self.s]), x)
        mixed = torch.einsum("btij,btid->btjd", h_res, x)
        beta = 2 * torch.sigmoid(self.beta_proj(norm))
        out = torch.einsum("bts,btd->btsd", beta, self.branch(read, *args, **kwargs)) + mixed
        return self.dropout(out.transpose(1, 2).flatten(0, 1))


def mixture(weights: Array, n: int) -> Array:
    """sum_r w_r P_r, P in the order of itertools."""
    return np.einsum("tr,rij->tij", weights, np.eye(n)[list(itertools.permutations(range(n)))])


def kronecker(logits: Array) -> Array:
    """The product of mixes of the identity and the swap, two logits each."""
    pairs = f.softmax(logits.reshape(len(logits), -1, 2))
    mats = pairs[..., 0, None, None] * np.eye(2) + pairs[..., 1, None, None] * np.eye(2)[::-1]
    return np.stack([reduce(np.kron, token) for token in mats])


def exact(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    n = x.shape[1]
    normed = f.unit_rms(x.reshape(len(x), -1)) * (1 + f.values(module.norm.gamma))
    weight, static = normed @ f.values(module.dynamic_alpha_fn), f.values(module.static_alpha)
    pre = f.sigmoid(f.values(module.pre_branch_scale) * weight[:, :n] + static[:n])
    logits = f.values(module.residual_scale) * weight[:, n:] + static[n:]
    alpha = kronecker(logits) if hasattr(module, "factors") else mixture(f.softmax(logits), n)
    post = 2 * f.sigmoid(
        normed @ f.values(module.dynamic_beta_fn) * f.values(module.h_post_scale)
        + f.values(module.static_beta)
    )
    return Reference(f.swap(alpha), f.weighted(pre, x), f.gate(post), pre, post)


def fast(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    n = x.shape[1]
    norm = f.unit_rms(x.reshape(len(x), -1))
    alpha, beta = (
        norm @ f.values(line.weight).T + f.values(line.bias)
        for line in (module.alpha_proj, module.beta_proj)
    )
    pre, post = f.sigmoid(alpha[:, :n]), 2 * f.sigmoid(beta)
    return Reference(
        f.swap(mixture(f.softmax(alpha[:, n:]), n)), f.weighted(pre, x), f.gate(post), pre, post
    )


def few(n: int) -> bool:
    """n! matrices."""
    return 2 <= n <= 5


def exactly(cls: Any) -> Callable[[int, int, int], nn.Module]:
    return lambda n, d, i: cls(n, dim=d, branch=nn.Linear(d, d))


def implementations() -> list[Implementation]:
    row = "mhc-lite, KromHC"
    how: dict[str, Any] = {"fits": few, "pack": stacked, "unpack": unstacked}
    slow, quick = (Site("", exact, "branch"),), (Site("", fast, "branch"),)
    return [
        Implementation("mhc-lite", row, exactly(MHCLite), slow, *COMB_BOTH, **how),
        Implementation("mhc-lite, fast", row, exactly(FastMHCLite), quick, *COMB_BOTH, **how),
    ]
