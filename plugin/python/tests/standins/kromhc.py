"""A stand-in of KromHC: H is a Kronecker product of mixes of the identity and the swap. Own code of
the
same names and order of results. Streams [(b n), s, d]."""

from __future__ import annotations

import math

import torch
from torch import nn

from .base import COMB_BOTH, Implementation, Site
from .lite import Exact, exact, exactly
from .lucidrains import stacked, unstacked


class KromHC(Exact):
    """n = 2^k: a Kronecker product of k convex mixes of the identity and the swap."""

    def __init__(self, num_residual_streams: int, *, dim: int, branch: nn.Module) -> None:
        self_factors = int(math.log2(num_residual_streams))
        super().__init__(
            num_residual_streams, dim=dim, branch=branch, coefficients=2 * self_factors
        )
        self.num_factors, self.factors, self.factor_perms = (
            self_factors,
            [2] * self_factors,
            [2] * self_factors,
        )

    def _build_kronecker_hres(
        self, dynamic_coeffs: torch.Tensor, static_coeffs: torch.Tensor
    ) -> torch.Tensor:
        p = torch.softmax(
            (self.residual_scale * dynamic_coeffs + static_coeffs).unflatten(-1, (-1, 2)), -1
        )
        mats = p[..., 0, None, None] * torch.eye(2) + p[..., 1, None, None] * torch.eye(2).flip(0)
        out = mats[..., 0, :, :]
        for k in range(1, self.num_factors):
            out = (
                torch.einsum("...ab,...cd->...acbd", out, mats[..., k, :, :])
                .flatten(-2)
                .flatten(-3, -2)
            )
        return out

    def residual(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        return self._build_kronecker_hres(dynamic, static)


def implementations() -> list[Implementation]:
    return [
        Implementation(
            "kromhc",
            "mhc-lite, KromHC",
            exactly(KromHC),
            (Site("", exact, "branch"),),
            *COMB_BOTH,
            fits=lambda n: n >= 2 and n & (n - 1) == 0,
            pack=stacked,
            unpack=unstacked,
            note="its matrix is symmetric",
        )
    ]
