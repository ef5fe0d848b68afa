"""transformers' hy_v4: hyper-connections without a matrix. fn [2 n, n d], base [2 n], scale [2] give a read and a write gate for each
stream, forward(x [b, s, n, d]) -> (post [b, s, n], y [b, s, d]), and the streams pass on as they are: H_res = I."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held
from .structure import has_method


def recognise(module: Any) -> Iterable[Found]:
    """Parameters of these names and shapes: there is no room for a matrix in them."""
    fn, base, scale = (held(module, name) for name in ("fn", "base", "scale"))
    if fn is None or base is None or scale is None or fn.dim() != 2 or scale.numel() != 2:
        return ()
    n = fn.shape[0] // 2
    if n < 1 or fn.shape[0] != 2 * n or base.numel() != 2 * n or fn.shape[1] % n != 0:
        return ()
    if not has_method(module, "forward"):
        return ()
    three = lambda: (module.fn, module.base, module.scale)  # noqa: E731
    return (Found(n, "identity", "identity", parameters=three),)


def read(call: Call) -> Iterable[Reading]:
    """Its write gate. @raises Refused where it returns something else, as a matrix"""
    x, out = mixer.entering(call.args, call.kwargs), call.out
    if x is None:
        return ()
    lead, n, d = tuple(x.shape[:-2]), x.shape[-2], x.shape[-1]
    if not isinstance(out, tuple) or len(out) != 2:
        raise Refused("an identity connection must return (post, y)")
    post, y = out
    if not mixer.is_gate(post, (*lead, n)) or not mixer.is_gate(y, (*lead, d)):
        raise Refused(f"an identity connection must return post {[*lead, n]}, y {[*lead, d]}")
    return (Reading("", None, lead, lambda: x, post=post),)


adapter = Adapter("hy_v4", recognise, lambda module: (Site("forward"),), read)
