"""Modules that own a mixer of DeepSeek's form: fn, base and scale (transformers' deepseek_v4 and glm5_next; NeMo Automodel's V4, whose
forward gives (pre, post, comb), and V4.1), or hc_fn, hc_base and hc_scale (torchtitan's HcPre; MindSpeed-LLM's MHC, whose hc_fn is a
Linear and whose hc_pre is asked). comb is known by its shape."""

from __future__ import annotations

import inspect
import types
from typing import Any, Iterable, Optional, Sequence

from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Site, held

METHODS = ("compute_weights", "hc_pre", "forward")  # the first that the class has; what comes later calls it


def recognise(module: Any) -> Iterable[Found]:
    found = parameters(module)
    n = mixer.streams_of(*found) if found else 0
    if not n or not sites(module):
        return ()
    return (Found(n, "mhc", "comb", convention="deepseek", parameters=lambda: parameters(module) or ()),)


def parameters(module: Any) -> Optional[Sequence[Tensor]]:
    """fn, base, scale."""
    for fn, base, scale in ((held(module, "fn"), "base", "scale"), (mixer.weight(module, "hc_fn"), "hc_base", "hc_scale")):
        three = fn, held(module, base), held(module, scale)
        if three[0] is not None and three[1] is not None and three[2] is not None:
            return three
    return None


def sites(module: Any) -> Sequence[Site]:
    known = [m for m in METHODS if isinstance(inspect.getattr_static(type(module), m, None), types.FunctionType)]
    return [Site(m) for m in known[:1]]


def read(call: Call) -> Iterable[Reading]:
    x = mixer.entering(call.args, call.kwargs)
    return () if x is None else (mixer.reading("", call.out, x),)


def formula(module: Any, part: str, streams: Tensor) -> Tensor:
    fn, base, scale = parameters(module) or ()
    return mixer.formula(module, fn, base, scale, streams, added=base is held(module, "base"))  # torchtitan and MindSpeed-LLM: hc_base


adapter = Adapter("deepseek_v4", recognise, sites, read, formula)
