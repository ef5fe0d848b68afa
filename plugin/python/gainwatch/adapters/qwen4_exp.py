"""transformers' qwen4_exp: a gated residual. forward(x [b, s, n d]) -> (u [b, s, d], x, w [b, s, n]): the branch reads u by a gate of
each channel, w writes its output into the streams, and they pass on as they are: H_res = I. The mixer at the end of the model has no
write gate, gives u alone, and is no connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site
from .structure import is_count, shape

READ, WRITE = ("input_mix_weight_down", "input_mix_weight_up"), "block_inject_weight"


def recognise(module: Any) -> Iterable[Found]:
    """hc_count streams, a read gate of low rank, and a write gate."""
    n, down, write = getattr(module, "hc_count", 0), shape(module, READ[0]), shape(module, WRITE)
    if not is_count(n) or len(down) != 2 or down[1] % n != 0:
        return ()
    if shape(module, READ[1]) != down[::-1] or write != (n, down[1]):
        return ()
    return (Found(n, "identity", "identity", parameters=lambda: list(module.parameters())),)


def read(call: Call) -> Iterable[Reading]:
    """Its write gate. @raises Refused where the streams do not pass on as they are"""
    x, n, out = mixer.entering(call.args, call.kwargs), call.module.hc_count, call.out
    if x is None:
        return ()
    if not isinstance(out, tuple) or len(out) != 3 or out[1] is not x:
        raise Refused("a gated residual must return (u, its streams as they are, w)")
    lead, gate = tuple(x.shape[:-1]), out[2]
    if not mixer.is_gate(gate, (*lead, n)):
        raise Refused(f"the write gate of a gated residual must be {[*lead, n]}")
    return (Reading("", None, lead, lambda: x.reshape(*lead, n, -1), post=gate),)


adapter = Adapter("qwen4_exp", recognise, lambda module: (Site("forward"),), read)
