"""Own classes that no adapter can know, found by a matcher: exact ones (go-mHC, TBP-mHC, circulant,
TEMPER), signed ones (sHC) and orthogonal ones (JPmHC, Householder).

Written from what the papers say of H. Streams [b, s, n, d]; every mixer's forward gives (pre, post,
H), applied as it is.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site

Make = Callable[[torch.Tensor, int], torch.Tensor]  # coefficients [..., m], n -> H [..., n, n]


def orthostochastic(c: torch.Tensor, n: int) -> torch.Tensor:
    """go-mHC: squares of the blocks of an orthogonal matrix of 2 n, summed over blocks of 2 x 2 and
    halved."""
    return cayley(c, 2 * n).square().unflatten(-1, (n, 2)).unflatten(-3, (n, 2)).sum((-3, -1)) / 2


def butterflies(c: torch.Tensor, n: int) -> torch.Tensor:
    """TBP-mHC: a product of mixes of two neighbours each, p I + (1 - p) swap."""
    h = torch.eye(n, dtype=c.dtype).expand(*c.shape[:-1], n, n)
    for k in range(c.shape[-1]):
        i, j = k % n, (k + 1 + k // n) % n
        if i == j:
            continue
        step = torch.eye(n, dtype=c.dtype)
        step[[i, j]] = step[[j, i]]
        p = torch.sigmoid(c[..., k, None, None])
        h = (p * torch.eye(n, dtype=c.dtype) + (1 - p) * step) @ h
    return h


def circulant(c: torch.Tensor, n: int, gamma: float = 0.8) -> torch.Tensor:
    """C-mHC: (1 - gamma) I + gamma sum_k softmax_k roll_k."""
    rolls = torch.stack([torch.roll(torch.eye(n, dtype=c.dtype), k, 1) for k in range(n)])
    return (1 - gamma) * torch.eye(n, dtype=c.dtype) + gamma * torch.einsum(
        "...k,kij->...ij", c.softmax(-1), rolls
    )


def tempered(c: torch.Tensor, n: int) -> torch.Tensor:
    """TEMPER: between the identity and the even mix, as far as a temperature says."""
    t = torch.sigmoid(c[..., :1, None])
    return (1 - t) * torch.eye(n, dtype=c.dtype) + t / n


def signed(c: torch.Tensor, n: int) -> torch.Tensor:
    """sHC: entries of both signs, divided by the spectral norm where that is above 1."""
    m = c.unflatten(-1, (n, n))
    return m / torch.linalg.matrix_norm(m, 2, keepdim=True).clamp(min=1)


def cayley(c: torch.Tensor, n: int) -> torch.Tensor:
    """JPmHC: (I + A)^-1 (I - A) of the skew part of [n, n]."""
    m = c.unflatten(-1, (n, n))
    skew, eye = (m - m.transpose(-1, -2)) / 2, torch.eye(n, dtype=c.dtype)
    return torch.linalg.solve(eye + skew, eye - skew)


def householder(c: torch.Tensor, n: int, beta: float = 2.0) -> torch.Tensor:
    """I - beta u u^T, orthogonal at beta = 2, else an erasure."""
    u = c / c.norm(dim=-1, keepdim=True)
    return torch.eye(n, dtype=c.dtype) - beta * u.unsqueeze(-1) * u.unsqueeze(-2)


class Mixer(nn.Module):
    """Gates and H of one connection, of the token; forward(x) -> (pre, post, H)."""

    def __init__(self, n: int, d: int, size: int, make: Make) -> None:
        super().__init__()
        self.streams, self.size, self.matrix = n, size, make
        self.projection = nn.Linear(n * d, 2 * n + size)
        nn.init.normal_(self.projection.bias)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pre, post, rest = self.projection(x.flatten(2)).split(
            [self.streams, self.streams, self.size], -1
        )
        return pre.sigmoid(), 2 * post.sigmoid(), self.matrix(rest, self.streams)


class Layer(nn.Module):
    def __init__(self, n: int, d: int, size: int, make: Make) -> None:
        super().__init__()
        self.mixer, self.branch = Mixer(n, d, size, make), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pre, post, h = self.mixer(x)
        return h @ x + post.unsqueeze(-1) * self.branch((pre.unsqueeze(-1) * x).sum(2)).unsqueeze(2)


def matcher(name: str, module: Any, inputs: Any, output: Any) -> Any:
    """What a user would write."""
    return output[2] if isinstance(module, Mixer) else None


def by(matrix: Callable[[Array, int], Array]) -> Callable[[Any, Array, dict[str, Any]], Reference]:
    """The truth of a mixer: `matrix` makes H [tokens, n, n] of coefficients in NumPy."""

    def reference(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
        n = x.shape[1]
        all_ = x.reshape(len(x), -1) @ f.values(module.projection.weight).T + f.values(
            module.projection.bias
        )
        pre, post = f.sigmoid(all_[:, :n]), 2 * f.sigmoid(all_[:, n : 2 * n])
        return Reference(matrix(all_[:, 2 * n :], n), f.weighted(pre, x), f.gate(post), pre, post)

    return reference


def np_cayley(c: Array, n: int) -> Array:
    m = c.reshape(-1, n, n)
    skew = (m - f.swap(m)) / 2
    return np.linalg.inv(np.eye(n) + skew) @ (np.eye(n) - skew)


def np_orthostochastic(c: Array, n: int) -> Array:
    return (np_cayley(c, 2 * n) ** 2).reshape(-1, n, 2, n, 2).sum((2, 4)) / 2


def np_butterflies(c: Array, n: int) -> Array:
    h = np.eye(n)[None].repeat(len(c), 0)
    for k in range(c.shape[-1]):
        i, j = k % n, (k + 1 + k // n) % n
        if i != j:
            p, rows = f.sigmoid(c[:, k, None]), h.copy()
            h[:, i], h[:, j] = (
                p * rows[:, i] + (1 - p) * rows[:, j],
                p * rows[:, j] + (1 - p) * rows[:, i],
            )
    return h


def np_circulant(c: Array, n: int) -> Array:
    w = f.softmax(c)
    i, j = np.indices((n, n))
    return 0.2 * np.eye(n) + 0.8 * w[:, (j - i) % n]


def np_tempered(c: Array, n: int) -> Array:
    t = f.sigmoid(c[:, :1, None])
    return (1 - t) * np.eye(n) + t / n


def np_signed(c: Array, n: int) -> Array:
    m = c.reshape(-1, n, n)
    return m / np.maximum(np.linalg.norm(m, 2, (-1, -2), keepdims=True), 1)


def np_householder(beta: float) -> Callable[[Array, int], Array]:
    return lambda c, n: (
        np.eye(n) - beta * np.einsum("ti,tj->tij", c, c) / (c**2).sum(-1)[:, None, None]
    )


def implementations() -> list[Implementation]:
    exact_row, signed_row = "go-mHC, TBP-mHC, C-mHC, TEMPER", "sHC"
    orthogonal_row = "JPmHC, EΔ-MHC-Geo, Householder"
    square: Callable[[int], int] = lambda n: n * n  # noqa: E731

    def made(
        name: str,
        row: str,
        size: Callable[[int], int],
        make: Make,
        truth: Any,
        kind: str,
        exact: str,
        **more: Any,
    ) -> Implementation:
        return Implementation(
            name,
            row,
            lambda n, d, i: Layer(n, d, size(n), make),
            (Site("mixer", by(truth), "branch"),),
            kind,
            "H",
            exact,
            "matcher",
            matcher=matcher,
            fits=lambda n: n >= 2,
            **more,
        )

    def erase(c: torch.Tensor, n: int) -> torch.Tensor:
        return householder(c, n, 0.7)

    return [
        made(
            "go-mhc",
            exact_row,
            lambda n: 4 * n * n,
            orthostochastic,
            np_orthostochastic,
            "mhc",
            "doubly",
        ),
        made("tbp-mhc", exact_row, lambda n: 2 * n, butterflies, np_butterflies, "mhc", "doubly"),
        made("circulant mhc", exact_row, lambda n: n, circulant, np_circulant, "mhc", "doubly"),
        made(
            "temper",
            exact_row,
            lambda n: n,
            tempered,
            np_tempered,
            "mhc",
            "doubly",
            note="its matrix is symmetric",
        ),
        made("shc", signed_row, square, signed, np_signed, "signed", "none"),
        made("jpmhc", orthogonal_row, square, cayley, np_cayley, "orthogonal", "none"),
        made(
            "householder",
            orthogonal_row,
            lambda n: n,
            householder,
            np_householder(2.0),
            "orthogonal",
            "none",
            note="its matrix is symmetric",
        ),
        made(
            "erase form",
            orthogonal_row,
            lambda n: n,
            erase,
            np_householder(0.7),
            "signed",
            "none",
            note="its matrix is symmetric; beta 0.7",
        ),
    ]
