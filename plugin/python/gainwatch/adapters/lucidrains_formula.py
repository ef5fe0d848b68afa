"""H_res of lucidrains' HC, mHC and mHCv2 from streams and parameters, in float32. Not where it is when they run (`lucidrains`)."""

from __future__ import annotations

from functools import partial
from typing import Any, Optional

import torch.nn.functional as F
from torch import Tensor

from .protocol import held
from .sinkhorn import sinkhorn


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """comb of streams [tokens, f s, d]; None where a module has more in it than these classes have."""
    fn, static = held(module, "dynamic_alpha_fn"), held(module, "static_alpha")
    gamma = held(getattr(module, "norm", None), "gamma")
    if fn is None or static is None or gamma is None or static.dim() != 2:
        return None
    if gamma.shape != streams.shape[-1:] or fn.shape[-2] != streams.shape[-1]:
        return None
    if getattr(module, "maybe_mix_streams", None) is not None:
        return None
    x = F.normalize(streams.float(), dim=-1) * streams.shape[-1] ** 0.5 * (gamma.float() + 1)
    weight = (fn if fn.dim() == 3 else fn[None]).float()
    dynamic = x @ weight[:, None]  # [proposals, tokens, f s, f (v + s)]
    scale = held(module, "residual_scale")
    if scale is None:
        return of_hc(module, dynamic, static.float())
    return of_mhc(module, dynamic * scale.float() + static.float())


def of_hc(module: Any, dynamic: Tensor, static: Tensor) -> Tensor:
    """Of each fraction the views come first: [f s, (f2, v + s)]."""
    fracs, wide = getattr(module, "num_fracs", 1), static.shape[0]
    alpha: Tensor = (module.act(dynamic) * module.dynamic_alpha_scale.float() + static)[0]
    alpha = alpha.reshape(*alpha.shape[:-1], fracs, -1)
    return alpha[..., -wide // fracs :].flatten(-2)


def of_mhc(module: Any, logits: Tensor) -> Optional[Tensor]:
    """The views come first."""
    rounds = iterations(module)
    if rounds is None:
        return None
    return sinkhorn(logits[..., -logits.shape[-2] :], rounds).mean(0)


def iterations(module: Any) -> Optional[int]:
    """Of its Sinkhorn; None where H_res is constrained otherwise. (Of several fractions only mHCv2's is square: its write gate is
    [s, f, 1].)"""
    constraint, gate = (
        getattr(module, "residual_mix_constraint_fn", None),
        held(module, "static_beta"),
    )
    if getattr(module, "num_fracs", 1) > 1 and (gate is None or gate.dim() != 3):
        return None
    if constraint is None:
        return getattr(module, "sinkhorn_iters", None)
    if isinstance(constraint, partial) and "sinkhorn" in getattr(constraint.func, "__name__", ""):
        return constraint.keywords.get("iters")
    return None
