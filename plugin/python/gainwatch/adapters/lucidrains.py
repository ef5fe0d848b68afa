"""lucidrains' hyper-connections 0.1 to 0.4, HC and mHC. alpha [..., s, v + s] is local to width_connection, and is what its last einsum
mixes the streams with: out_t = sum_s alpha[s, t] x_s, so comb. Streams [(b s), ..., d]; v input views."""

from __future__ import annotations

from typing import Any, Iterable

import torch

from .protocol import Adapter, Call, Found, Reading, Site, branchless


def recognise(module: Any) -> Iterable[Found]:
    n = getattr(module, "num_residual_streams", 0)
    if not n or not hasattr(module, "static_alpha") or not hasattr(type(module), "width_connection"):
        return ()
    if getattr(module, "num_fracs", 1) != 1:
        return ()
    constrained = hasattr(module, "residual_mix_constraint_fn") or "Manifold" in type(module).__name__
    kind, bounded = ("mhc", "doubly") if constrained else ("hc", "none")
    return (Found(n, kind, "comb", bounded=bounded, parameters=lambda: branchless(module)),)


def read(call: Call) -> Iterable[Reading]:
    n = call.module.num_residual_streams
    for inner in call.inner[-1:]:
        alpha, x, pattern = inner.args[0], inner.args[1], inner.args[-1]
        if pattern.startswith("b s t"):  # channels first: [b, s, t, ...] and [b, s, d, ...]
            alpha, x = alpha.movedim((1, 2), (-2, -1)), x.movedim((1, 2), (-2, -1))
        every = alpha.shape[-1]
        mapping = alpha.reshape(-1, n, every)[..., every - n :]
        if call.out[1] is call.args[0]:  # before 0.3.12 H_res is worked out, and then the streams go on unmixed
            mapping = (mapping * 0).nan_to_num() + torch.eye(n, dtype=mapping.dtype, device=mapping.device)
        return (Reading("", mapping, (x.numel() // (n * x.shape[-1]),), lambda: x.reshape(-1, n, x.shape[-1])),)
    return ()


adapter = Adapter("lucidrains", recognise, lambda module: (Site("width_connection", ("einsum",)),), read)
