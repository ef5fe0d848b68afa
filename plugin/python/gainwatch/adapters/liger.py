"""Liger's LigerMHC: h_res is local to forward, and comes of the function liger_mhc_coeffs -> (h_pre, h_post, h_res [..., n, n]), applied as
it is: out_o = sum_i h_res[o, i] x_i. Streams [..., n, d]."""

from __future__ import annotations

from typing import Any, Iterable, Optional

from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held

FUNCTION = "liger_mhc_coeffs"
PARAMETERS = ("phi", "b", "alpha_pre", "alpha_post", "alpha_res")


def recognise(module: Any) -> Iterable[Found]:
    n, (phi, bias, *alphas) = getattr(module, "hc", 0), (held(module, name) for name in PARAMETERS)
    if (
        not isinstance(n, int)
        or n < 1
        or phi is None
        or bias is None
        or any(a is None or a.numel() != 1 for a in alphas)
    ):
        return ()
    wide = n * n + 2 * n
    if (
        phi.dim() != 2
        or phi.shape[0] % n != 0
        or phi.shape[1] != wide
        or tuple(bias.shape) != (wide,)
    ):
        return ()
    return (
        Found(n, "mhc", "H", parameters=lambda: [getattr(module, name) for name in PARAMETERS]),
    )


def read(call: Call) -> Iterable[Reading]:
    for inner in call.inner:
        x = mixer.entering(inner.args, inner.kwargs)
        if x is not None:
            return (mixer.reading("", inner.out, x),)
    raise Refused(f"its forward calls no {FUNCTION}")


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res of streams [tokens, n, d]."""
    n = streams.shape[-2]
    return mixer.comb_of(
        streams,
        module.phi[:, 2 * n :].T,
        module.b[2 * n :],
        module.alpha_res,
        module.tmax,
        module.sinkhorn_eps,
        module.rms_eps,
    )


adapter = Adapter("liger", recognise, lambda module: (Site("forward", (FUNCTION,)),), read, formula)
