"""mhc-pytorch's ManifoldHyperConnections: makes n streams of its input [b, t, d], mixes them by the result h_res [b, t, n, n] of the
function apply_sinkhorn_knopp, applied as it is, and gives their mean or sum: between two of them there is one stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site, pick
from .sinkhorn import COLUMNS, ROWS, sinkhorn
from .structure import is_count, shape

FUNCTION, ITERATIONS = "apply_sinkhorn_knopp", 20


def recognise(module: Any) -> Iterable[Found]:
    """By phi_res [n n, n d], b_res [n, n] and alpha_res."""
    n, phi = getattr(module, "num_streams", 0), shape(module, "phi_res")
    if not is_count(n) or len(phi) != 2 or phi[0] != n * n or phi[1] % n != 0:
        return ()
    if shape(module, "b_res") != (n, n) or shape(module, "alpha_res") != (1,):
        return ()
    return (Found(n, "mhc", "H", parameters=lambda: own(module), sinkhorn=1.0),)


def own(module: Any) -> list[Tensor]:
    """Its parameters without those of what it wraps."""
    return [p for name, p in module.named_parameters() if not name.startswith("block.")]


def read(call: Call) -> Iterable[Reading]:
    """Of the function's result."""
    x, n = mixer.entering(call.args, call.kwargs), call.module.num_streams
    if x is None or not call.inner:
        raise Refused(f"its forward calls no {FUNCTION}")
    lead = tuple(x.shape[:-1])
    mapping = pick(call.inner[0].out, lead, n)
    return (Reading("", mapping, lead, lambda: x.unsqueeze(-2).expand(*lead, n, x.shape[-1])),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res of streams [tokens, n, d]."""
    n, flat, phi = streams.shape[-2], streams.flatten(-2).float(), module.phi_res
    eps = torch.finfo(torch.float32).eps
    normed = flat * torch.rsqrt(flat.square().mean(-1, keepdim=True) + eps)
    logits = F.linear(normed, phi.weight.float(), None if phi.bias is None else phi.bias.float())
    logits = logits.reshape(-1, n, n) * module.alpha_res.float() + module.b_res.float()
    return sinkhorn(logits, ITERATIONS, (ROWS, COLUMNS))


adapter = Adapter(
    "mhc-pytorch", recognise, lambda module: (Site("forward", (FUNCTION,)),), read, formula
)
