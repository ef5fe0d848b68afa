"""AMD Primus' HyperMixer: parameters of DeepSeek's form, fn a Linear; no forward, but compute_weights(x [..., n, d]) -> (pre, post, comb),
and a static expand(x, out, post, comb) that writes, as comb @ x at first, transposed since 2026: it is tried."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from torch import Tensor

from . import mixer
from .orientation import orientation
from .protocol import Adapter, Call, Found, Reading, Site, held

METHODS = ("compute_weights", "expand")


def recognise(module: Any) -> Iterable[Found]:
    """By fn.weight [(2 + n) n, n d], base, scale [3], hc_mult and these methods."""
    fn = getattr(getattr(module, "fn", None), "weight", None)
    n = mixer.streams_of(fn, held(module, "base"), held(module, "scale"))
    if not n or n != getattr(module, "hc_mult", 0):
        return ()
    if not all(callable(getattr(module, name, None)) for name in METHODS):
        return ()
    return (
        Found(n, "mhc", stored(module, n), convention="deepseek", parameters=module.parameters),
    )


def stored(module: Any, n: int) -> str:
    """ "H" or "comb", by expand(x [..., n, d], out [..., d], post [..., n], comb)."""

    def apply(comb: Tensor, x: Tensor) -> Any:
        return module.expand(x, x[..., 0, :] * 0, x[..., 0] * 0, comb)

    weight = module.fn.weight
    return orientation(n, weight.shape[1] // n, weight.device, apply)


def read(call: Call) -> Iterable[Reading]:
    """(pre, post, comb)"""
    x = mixer.entering(call.args, call.kwargs)
    return () if x is None else (mixer.reading("", call.out, x),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """comb, whichever way it is applied."""
    return mixer.formula(module, module.fn.weight, module.base, module.scale, streams)


adapter = Adapter("primus", recognise, lambda module: (Site(METHODS[0]),), read, formula)
