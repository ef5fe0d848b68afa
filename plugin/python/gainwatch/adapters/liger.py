"""Liger's LigerMHC: h_res is local to forward, and comes of the function liger_mhc_coeffs -> (h_pre, h_post, h_res [..., n, n]), applied as
it is: out_o = sum_i h_res[o, i] x_i. Streams [..., n, d]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site
from .structure import are, is_count, shape

FUNCTION = "liger_mhc_coeffs"
SCALES = ("alpha_pre", "alpha_post", "alpha_res")


def recognise(module: Any) -> Iterable[Found]:
    """By phi [n d, n n + 2 n], b [n n + 2 n] and three scales."""
    n, phi = getattr(module, "hc", 0), shape(module, "phi")
    if not is_count(n) or len(phi) != 2 or phi[0] % n != 0 or phi[1] != n * n + 2 * n:
        return ()
    if shape(module, "b") != phi[1:] or not all(hasattr(module, name) for name in SCALES):
        return ()
    if not are(module, SCALES, ()) and not are(module, SCALES, (1,)):
        return ()
    names = ("phi", "b", *SCALES)

    def own() -> list[Tensor]:
        return [getattr(module, name) for name in names]

    return (Found(n, "mhc", "H", parameters=own, sinkhorn=1.0),)


def read(call: Call) -> Iterable[Reading]:
    """Of the function's results."""
    for inner in call.inner:
        x = mixer.entering(inner.args, inner.kwargs)
        if x is not None:
            return (mixer.reading("", inner.out, x),)
    raise Refused(f"its forward calls no {FUNCTION}")


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res of streams [tokens, n, d]."""
    n, phi, base = streams.shape[-2], module.phi, module.b
    how = module.tmax, module.sinkhorn_eps, module.rms_eps
    return mixer.comb_of(streams, phi[:, 2 * n :].T, base[2 * n :], module.alpha_res, *how)


adapter = Adapter("liger", recognise, lambda module: (Site("forward", (FUNCTION,)),), read, formula)
