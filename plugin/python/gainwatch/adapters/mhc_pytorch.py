"""mhc-pytorch's ManifoldHyperConnections: makes n streams of its input [b, t, d], mixes them by the result h_res [b, t, n, n] of the
function apply_sinkhorn_knopp, applied as it is, and gives their mean or sum: between two of them there is one stream."""

from __future__ import annotations

from typing import Any, Iterable, Optional

import torch.nn.functional as F
from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held, pick
from .sinkhorn import COLUMNS, ROWS, sinkhorn

FUNCTION, ITERATIONS = "apply_sinkhorn_knopp", 20


def recognise(module: Any) -> Iterable[Found]:
    n, phi, bias, scale = (
        getattr(module, "num_streams", 0),
        mixer.weight(module, "phi_res"),
        held(module, "b_res"),
        held(module, "alpha_res"),
    )
    if not isinstance(n, int) or n < 1 or phi is None or bias is None or scale is None:
        return ()
    if (
        phi.dim() != 2
        or phi.shape[0] != n * n
        or phi.shape[1] % n != 0
        or tuple(bias.shape) != (n, n)
    ):
        return ()
    return (
        Found(
            n,
            "mhc",
            "H",
            parameters=lambda: [
                p for name, p in module.named_parameters() if not name.startswith("block.")
            ],
        ),
    )


def read(call: Call) -> Iterable[Reading]:
    x, n = mixer.entering(call.args, call.kwargs), call.module.num_streams
    if x is None or not call.inner:
        raise Refused(f"its forward calls no {FUNCTION}")
    lead = tuple(x.shape[:-1])
    return (
        Reading(
            "",
            pick(call.inner[0].out, lead, n),
            lead,
            lambda: x.unsqueeze(-2).expand(*lead, n, x.shape[-1]),
        ),
    )


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res of streams [tokens, n, d]."""
    n, flat, phi = streams.shape[-2], streams.flatten(-2).float(), module.phi_res
    normed = F.rms_norm(flat, flat.shape[-1:])
    logits = F.linear(normed, phi.weight.float(), None if phi.bias is None else phi.bias.float())
    return sinkhorn(
        logits.unflatten(-1, (n, n)) * module.alpha_res.float() + module.b_res.float(),
        ITERATIONS,
        (ROWS, COLUMNS),
    )


adapter = Adapter(
    "mhc-pytorch", recognise, lambda module: (Site("forward", (FUNCTION,)),), read, formula
)
