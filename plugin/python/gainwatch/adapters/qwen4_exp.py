"""transformers' qwen4_exp: a gated residual. forward(x [b, s, n d]) -> (u [b, s, d], x, w [b, s, n]): the branch reads u by a gate of
each channel, w writes its output into the streams, and they pass on as they are: H_res = I. The mixer at the end of the model has no
write gate, gives u alone, and is no connection."""

from __future__ import annotations

from typing import Any, Iterable

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site


def recognise(module: Any) -> Iterable[Found]:
    down, up, write = (mixer.weight(module, name) for name in ("input_mix_weight_down", "input_mix_weight_up", "block_inject_weight"))
    if down is None or up is None or write is None or write.dim() != 2:
        return ()
    n, width = write.shape
    if n < 1 or n != getattr(module, "hc_count", 0) or width % n != 0 or down.shape[1:] != (width,) or up.shape != (width, down.shape[0]):
        return ()
    return (Found(n, "identity", "identity", parameters=lambda: list(module.parameters())),)


def read(call: Call) -> Iterable[Reading]:
    x, n = mixer.entering(call.args, call.kwargs), call.module.hc_count
    if x is None:
        return ()
    lead, width = tuple(x.shape[:-1]), x.shape[-1]
    out = call.out if isinstance(call.out, tuple) else ()
    if len(out) != 3 or not mixer.is_gate(out[0], (*lead, width // n)) or out[1] is not x or not mixer.is_gate(out[2], (*lead, n)):
        raise Refused(f"it must return (u {[*lead, width // n]}, what it was given, w {[*lead, n]})")
    return (Reading("", None, lead, lambda: x.unflatten(-1, (n, -1)), post=out[2]),)


adapter = Adapter("qwen4_exp", recognise, lambda module: (Site("forward"),), read)
