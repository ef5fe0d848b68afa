"""Modules that own a mixer of DeepSeek's form: fn, base and scale (transformers' deepseek_v4 and glm5_next; NeMo Automodel's V4, whose
forward gives (pre, post, comb), and V4.1), or hc_fn, hc_base and hc_scale (torchtitan's HcPre; MindSpeed-LLM's MHC, whose hc_fn is a
Linear and whose hc_pre is asked). comb is known by its shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Site, held
from .structure import has_method

# The first that the class has; what comes later calls it.
METHODS = ("compute_weights", "hc_pre", "forward")


def recognise(module: Any) -> Iterable[Found]:
    """Parameters of the form's names and shapes."""
    n = mixer.streams_of(*parameters(module))
    if not n:
        return ()
    known = Found(n, "mhc", "comb", convention="deepseek", parameters=lambda: parameters(module))
    return (known,)


def parameters(module: Any) -> tuple[Any, Any, Any]:
    """fn, base, scale, as tensors; None for what it has not. A Linear called fn is another's (`primus`)."""
    fn = held(module, "fn")
    if fn is not None:
        return fn, held(module, "base"), held(module, "scale")
    return mixer.weight(module, "hc_fn"), held(module, "hc_base"), held(module, "hc_scale")


def sites(module: Any) -> Sequence[Site]:
    """The method that is asked for the weights."""
    return [Site(name) for name in METHODS if has_method(module, name)][:1]


def read(call: Call) -> Iterable[Reading]:
    """comb, and the gates that are returned beside it."""
    x = mixer.entering(call.args, call.kwargs)
    return () if x is None else (mixer.reading("", call.out, x),)


def formula(module: Any, part: str, streams: Tensor) -> Tensor:
    """comb [tokens, n, n]. Those that call it hc_base (torchtitan, MindSpeed-LLM) add no epsilon to the softmax."""
    added = held(module, "base") is not None
    return mixer.formula(module, *parameters(module), streams, added)


adapter = Adapter("deepseek_v4", recognise, sites, read, formula)
