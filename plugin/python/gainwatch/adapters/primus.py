"""AMD Primus' HyperMixer: parameters of DeepSeek's form, fn a Linear; no forward, but compute_weights(x [..., n, d]) -> (pre, post, comb),
and a static expand(x, out, post, comb) that writes, as comb @ x at first, transposed since 2026: it is tried."""

from __future__ import annotations

from typing import Any, Iterable, Optional

from torch import Tensor

from . import mixer
from .orientation import orientation
from .protocol import Adapter, Call, Found, Reading, Site, held


def recognise(module: Any) -> Iterable[Found]:
    fn, base, scale = mixer.weight(module, "fn"), held(module, "base"), held(module, "scale")
    n = mixer.streams_of(fn, base, scale)
    if fn is None or n != getattr(module, "hc_mult", 0) or isinstance(module.fn, Tensor):
        return ()
    if not all(callable(getattr(module, m, None)) for m in ("compute_weights", "expand")):
        return ()
    d = fn.shape[1] // n
    stored = orientation(
        n, d, fn.device, lambda h, x: module.expand(x, x[..., 0, :] * 0, x[..., 0] * 0, h)
    )
    return (
        Found(
            n, "mhc", stored, convention="deepseek", parameters=lambda: list(module.parameters())
        ),
    )


def read(call: Call) -> Iterable[Reading]:
    x = mixer.entering(call.args, call.kwargs)
    return () if x is None else (mixer.reading("", call.out, x),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """comb, whichever way it is applied."""
    return mixer.formula(module, module.fn.weight, module.base, module.scale, streams)


adapter = Adapter("primus", recognise, lambda module: (Site("compute_weights"),), read, formula)
