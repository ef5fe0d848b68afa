"""transformers' hy_v4: hyper-connections without a matrix. fn [2 n, n d], base [2 n], scale [2] give a read and a write gate for each
stream, forward(x [b, s, n, d]) -> (post [b, s, n], y [b, s, d]), and the streams pass on as they are: H_res = I."""

from __future__ import annotations

import inspect
import types
from typing import Any, Iterable

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held


def recognise(module: Any) -> Iterable[Found]:
    fn, base, scale = (held(module, name) for name in ("fn", "base", "scale"))
    if fn is None or base is None or scale is None or fn.dim() != 2 or scale.numel() != 2:
        return ()
    n, odd = divmod(base.numel(), 2)
    if odd or n < 1 or fn.shape[0] != 2 * n or fn.shape[1] % n != 0:
        return ()
    if not isinstance(inspect.getattr_static(type(module), "forward", None), types.FunctionType):
        return ()
    return (Found(n, "identity", "identity", parameters=lambda: (module.fn, module.base, module.scale)),)


def read(call: Call) -> Iterable[Reading]:
    x = mixer.entering(call.args, call.kwargs)
    if x is None:
        return ()
    lead, n = tuple(x.shape[:-2]), x.shape[-2]
    out = call.out if isinstance(call.out, tuple) else ()
    if len(out) != 2 or not mixer.is_gate(out[0], (*lead, n)) or not mixer.is_gate(out[1], (*lead, x.shape[-1])):
        raise Refused(f"it must return (post {[*lead, n]}, y {[*lead, x.shape[-1]]}): what has a matrix is no identity connection")
    return (Reading("", None, lead, lambda: x, post=out[0]),)


adapter = Adapter("hy_v4", recognise, lambda module: (Site("forward"),), read)
