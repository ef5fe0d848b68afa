"""Modules with parameters fn [(2 + n) n, n d], base, scale [3] and hc_mult (or streams): transformers' deepseek_v4 and glm5_next, whose
forward(x [b, s, n, d]) gives (post, comb [b, s, n, n], collapsed), NeMo Automodel's, whose forward gives (pre, post, comb), V4.1's that is
asked by compute_weights. comb is known by its shape, and is applied transposed."""

from __future__ import annotations

import inspect
import types
from typing import Any, Iterable

from torch import Tensor

from .protocol import Adapter, Call, Found, Reading, Site, held, pick

METHODS = ("compute_weights", "forward")


def recognise(module: Any) -> Iterable[Found]:
    n = streams_of(module)
    fn, base, scale = (held(module, name) for name in ("fn", "base", "scale"))
    if n < 2 or fn is None or base is None or scale is None:
        return ()
    if base.numel() != n * n + 2 * n or scale.numel() != 3 or fn.dim() != 2:
        return ()
    return (Found(n, "mhc", "comb", convention="deepseek", parameters=lambda: (module.fn, module.base, module.scale)),)


def streams_of(module: Any) -> int:
    n = getattr(module, "hc_mult", None) or getattr(module, "streams", 0)
    return n if isinstance(n, int) else 0


def sites(module: Any) -> Iterable[Site]:
    """The method that makes the weights; forward calls it where there is one."""
    known = [m for m in METHODS if isinstance(inspect.getattr_static(type(module), m, None), types.FunctionType)]
    return [Site(known[0])] if known else []


def read(call: Call) -> Iterable[Reading]:
    x = call.args[0] if call.args else next(v for v in call.kwargs.values() if isinstance(v, Tensor))
    lead = tuple(x.shape[:-2])
    return (Reading("", pick(call.out, lead, streams_of(call.module)), lead, lambda: x),)


adapter = Adapter("deepseek_v4", recognise, sites, read)
