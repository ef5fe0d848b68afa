"""A stand-in of Liger's LigerMHC, whose kernels need Triton on a GPU: h_res is local to forward,
made by a
function of its file. Own code of the same names and order of results."""

from __future__ import annotations

import sys
from typing import Any, Optional

import torch
from torch import nn

from . import formulas as f
from .base import H_COLUMNS, Array, Implementation, Reference, Site
from .deepseek import Three, balance


def liger_mhc_coeffs(
    x: torch.Tensor,
    phi: torch.Tensor,
    b: torch.Tensor,
    alpha_pre: torch.Tensor,
    alpha_post: torch.Tensor,
    alpha_res: torch.Tensor,
    **how: Any,
) -> Three:
    """A Triton kernel in Liger: (h_pre, h_post, h_res); h_res [..., n, n] (row = destination) has
    its columns exact."""
    n = x.shape[-2]
    flat = x.flatten(-2).float()
    logits = (flat @ phi.float()) * torch.rsqrt(
        flat.square().mean(-1, keepdim=True) + how["rms_eps"]
    )
    pre, post, res = logits.split([n, n, n * n], -1)
    h_pre = torch.sigmoid(pre * alpha_pre + b[:n]) + how["pre_eps"]
    h_post = how["post_mult"] * torch.sigmoid(post * alpha_post + b[n : 2 * n])
    return (
        h_pre,
        h_post,
        balance(
            (res * alpha_res + b[2 * n :]).unflatten(-1, (n, n)), how["tmax"], how["sinkhorn_eps"]
        ),
    )


def liger_mhc_pre(x: torch.Tensor, h_pre: torch.Tensor) -> torch.Tensor:
    return (h_pre.unsqueeze(-1) * x).sum(-2)


def liger_mhc_post_res(
    x: torch.Tensor, f_out: torch.Tensor, h_post: torch.Tensor, h_res: torch.Tensor
) -> torch.Tensor:
    return h_res @ x + h_post.unsqueeze(-1) * f_out.unsqueeze(-2)


class LigerMHC(nn.Module):
    """Liger's: h_res is local to forward, made by a function of the module's file."""

    def __init__(
        self, layer: nn.Module, *, hc: int, c: int, phi_dtype: Optional[torch.dtype] = None
    ) -> None:
        super().__init__()
        self.layer, self.hc, self.c = layer, hc, c
        (
            self.tmax,
            self.rms_eps,
            self.pre_eps,
            self.sinkhorn_eps,
            self.post_mult,
            self.allow_fp32,
        ) = 20, 1e-6, 0.0, 1e-6, 2.0, True
        m = hc * hc + 2 * hc
        self.phi = nn.Parameter(
            (torch.randn(hc * c, m) * 1.5 / (hc * c) ** 0.5).to(phi_dtype or torch.float32)
        )
        self.b = nn.Parameter(torch.randn(m) * 2)
        for name, value in (("alpha_pre", 0.9), ("alpha_post", 1.1), ("alpha_res", 1.3)):
            setattr(self, name, nn.Parameter(torch.tensor(value)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        how = {
            key: getattr(self, key)
            for key in ("allow_fp32", "tmax", "rms_eps", "pre_eps", "sinkhorn_eps", "post_mult")
        }
        # looked up at each call, as a global is
        coeffs = sys.modules[__name__].__dict__["liger_mhc_coeffs"]
        h_pre, h_post, h_res = coeffs(
            x, self.phi, self.b, self.alpha_pre, self.alpha_post, self.alpha_res, **how
        )
        return liger_mhc_post_res(x, self.layer(liger_mhc_pre(x, h_pre)), h_post, h_res)


def liger(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    scale = [f.values(getattr(module, name)) for name in ("alpha_pre", "alpha_post", "alpha_res")]
    pre, post, h = f.deepseek(x, f.values(module.phi).T, f.values(module.b), scale)
    pre = pre - 1e-6  # Liger adds pre_eps, 0
    return Reference(h, f.weighted(pre, x), f.gate(post), pre, post)


def implementations() -> list[Implementation]:
    return [
        Implementation(
            "liger",
            "Liger LigerMHC",
            lambda n, d, i: LigerMHC(nn.Linear(d, d), hc=n, c=d),
            (Site("", liger, "layer"),),
            *H_COLUMNS,
        )
    ]
