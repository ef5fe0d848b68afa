"""How much a mapping can move at all: the norm of its derivative by its logits, 0 where it can
never learn. Not when that is told (`table`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor

from ..wire.record import Listed

TOKENS = 4  # of which the largest counts
ROUNDS = 100  # of the power iteration: a norm to a hundredth of it
NONE = 1e-12  # less is rounding
NEAR = 0.1  # sums further off than that are those of no Sinkhorn


def sensitivities(
    connections: Sequence[Listed], mappings: Sequence[Tensor]
) -> list[Optional[float]]:
    """Of each, the spectral norm of the derivative of H by its logits at mappings [S, n, n], as
    applied or not: of a Sinkhorn, over its temperature; 1 of HC, which is a sum; None where it does
    not follow from H."""
    found = [1.0 if c.kind == "hc" else None for c in connections]
    few = [h[:TOKENS].double() for h in mappings]
    known = [i for i, c in enumerate(connections) if _is_of_sinkhorn(c, few[i])]
    for n in {few[i].shape[-1] for i in known}:
        of_n = [i for i in known if few[i].shape[-1] == n]
        all_norms = of_sinkhorn(torch.cat([few[i] for i in of_n]))
        norms = torch.split(all_norms, [len(few[i]) for i in of_n])
        for i, norm in zip(of_n, norms):
            found[i] = float(norm.max()) / (connections[i].sinkhorn or 1)
    return found


def _is_of_sinkhorn(connection: Listed, h: Tensor) -> bool:
    if connection.kind != "mhc" or connection.sinkhorn is None or h.shape[-1] == 1:
        return False
    off = max(float((h.sum(axis) - 1).abs().max()) for axis in (1, 2))
    return off <= NEAR and bool((h >= 0).all())  # not where there is a NaN


def of_sinkhorn(h: Tensor) -> Tensor:
    """Spectral norms [S] of the derivative of a doubly stochastic h [S, n, n] (float64) by the
    logits of a Sinkhorn that has converged.

    It is dL -> h * (dL - r 1^T - 1 c^T), with r and c such that the sums of its rows and columns
    are 0. It is symmetric and positive, and the same norm for the transposed.
    """
    size, n = h.shape[0], h.shape[-1]
    eye = torch.eye(n, dtype=h.dtype).expand(size, n, n)
    # [S, 2n, 2n], singular
    sums = torch.cat((torch.cat((eye, h), 2), torch.cat((h.transpose(1, 2), eye), 2)), 1)
    inverse = torch.linalg.pinv(sums, rtol=1e-12, hermitian=True)
    v = torch.randn(size, n, n, dtype=h.dtype, generator=torch.Generator().manual_seed(0))
    norm = torch.zeros(size, dtype=h.dtype)
    for _ in range(ROUNDS):
        v = v / v.flatten(1).norm(dim=1).clamp(min=1e-300)[:, None, None]
        moved = h * v
        wanted = torch.cat((moved.sum(2), moved.sum(1)), 1).unsqueeze(2)
        r, c = (inverse @ wanted).split(n, 1)
        v = moved - h * (r + c.transpose(1, 2))
        norm = v.flatten(1).norm(dim=1)
    return torch.where(norm < NONE, torch.zeros_like(norm), norm)
