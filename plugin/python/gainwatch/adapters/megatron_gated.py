"""Megatron's gated residual (mhc_variant = "gated_residual"): forward(x [s, b, n C]) -> (read [s, b, C], None, h_post [s, b, n], ...). It
reads by a gate of each channel, writes by one of each stream, and passes the streams on as they are: H_res = I."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site
from .structure import is_count, shape


def recognise(module: Any) -> Iterable[Found]:
    """By its projections down [rank, n C], up [n C, rank], and [n, n C] to the write gate, which the last one has not."""
    n, down = getattr(module, "n", 0), shape(module, "input_mix_weight_down")
    if not is_count(n) or not callable(getattr(module, "apply_h_res", None)):
        return ()
    if len(down) != 2 or down[1] % n != 0 or shape(module, "input_mix_weight_up") != down[::-1]:
        return ()
    if shape(module, "block_inject_weight") not in ((), (n, down[1])):
        return ()
    return (Found(n, "identity", "identity", bounded="doubly", parameters=module.parameters),)


def read(call: Call) -> Iterable[Reading]:
    """Nothing is between what it is given and what it writes into."""
    x, n, out = mixer.entering(call.args, call.kwargs), call.module.n, call.out
    if x is None or not isinstance(out, tuple) or len(out) < 3 or out[1] is not None:
        raise Refused("it must return (read, None, h_post), for its streams pass on as they are")
    lead = tuple(x.shape[:-1])
    post = out[2] if mixer.is_gate(out[2], (*lead, n)) else None
    return (Reading("", None, lead, lambda: x.reshape(*lead, n, -1), post=post),)


adapter = Adapter("megatron, gated", recognise, lambda module: (Site("forward"),), read)
