"""Megatron's HyperConnectionModule: compute_mappings(x [s, b, n C]) gives (h_pre, h_post, h_res [s, b, n, n]). main applies h_res as it
is, dev transposed: apply_h_res tells."""

from __future__ import annotations

from typing import Any, Iterable

import torch

from .protocol import Adapter, Call, Found, Reading, Site, pick


def recognise(module: Any) -> Iterable[Found]:
    if not all(hasattr(module, part) for part in ("compute_mappings", "apply_h_res", "mapping_proj", "n")):
        return ()
    return (Found(module.n, "mhc", stored(module), parameters=lambda: list(module.parameters())),)


def stored(module: Any) -> str:
    """Sends stream 0 to stream 1 by h[1, 0] = 1 and looks where it arrives; the self-check says where that cannot be tried."""
    weight, n = module.mapping_proj.weight, module.n
    try:
        with torch.no_grad():
            h = torch.zeros(1, 1, n, n, device=weight.device, dtype=weight.dtype)
            x = torch.zeros(1, 1, n, module.hidden_size, device=weight.device, dtype=weight.dtype)
            h[..., 1, 0], x[..., 0, :] = 1, 1
            arrived = module.apply_h_res(h, x.flatten(2)).reshape(n, -1)
            return "H" if float(arrived[1, 0]) == 1 else "comb"
    except Exception:
        return "H"


def read(call: Call) -> Iterable[Reading]:
    x, n = call.args[0], call.module.n
    lead = tuple(x.shape[:-1])
    return (Reading("", pick(call.out, lead, n), lead, lambda: x.unflatten(-1, (n, -1))),)


adapter = Adapter("megatron", recognise, lambda module: (Site("compute_mappings"),), read)
