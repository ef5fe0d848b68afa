"""Megatron's HyperConnectionModule, its children (single pass, mcore-bridge) and FlagOS' HyperConnection: compute_mappings(x [s, b, n C])
gives (h_pre, h_post, h_res [s, b, n, n]). main applies h_res as it is, dev transposed: apply_h_res tells. The gated residual gives
(read [s, b, C], None, h_post [s, b, n]) by its forward: H_res = I."""

from __future__ import annotations

from typing import Any, Iterable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from . import mixer
from .orientation import orientation
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held, pick
from .sinkhorn import COLUMNS, ROWS, sinkhorn

ITERATIONS = 20


def recognise(module: Any) -> Iterable[Found]:
    n, projection = getattr(module, "n", 0), mixer.weight(module, "mapping_proj")
    if (
        not isinstance(n, int)
        or n < 1
        or projection is None
        or projection.dim() != 2
        or projection.shape[0] != n * n + 2 * n
    ):
        return ()
    if projection.shape[1] % n != 0 or not all(
        callable(getattr(module, m, None)) for m in ("compute_mappings", "apply_h_res")
    ):
        return ()
    return (
        Found(
            n, "mhc", stored(module, n, projection), parameters=lambda: list(module.parameters())
        ),
    )


def stored(module: Any, n: int, projection: Tensor) -> str:
    d = projection.shape[1] // n
    return orientation(n, d, projection.device, lambda h, x: module.apply_h_res(h, x.flatten(2)))


def read(call: Call) -> Iterable[Reading]:
    x, n = mixer.entering(call.args, call.kwargs), call.module.n
    if x is None:
        return ()
    lead, out = tuple(x.shape[:-1]), call.out
    pre, post = (
        (v if mixer.is_gate(v, (*lead, n)) else None for v in out[:2])
        if isinstance(out, tuple)
        else (None, None)
    )
    return (Reading("", pick(out, lead, n), lead, lambda: x.unflatten(-1, (n, -1)), pre, post),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res of streams [tokens, n, d]: of main rows and columns divided by their sums in turn, of dev DeepSeek's Sinkhorn."""
    projection, bias, scale = (
        mixer.weight(module, "mapping_proj"),
        held(module, "bias"),
        held(module, "alpha_res"),
    )
    n, rounds = streams.shape[-2], int(getattr(module, "sinkhorn_iterations", ITERATIONS))
    if projection is None or bias is None or scale is None:
        return None
    if stored(module, n, projection) == "comb":
        return mixer.comb_of(streams, projection[2 * n :], bias[2 * n :], scale, rounds)
    flat = streams.flatten(-2).float()
    logits = F.linear(flat, projection[2 * n :].float()) * torch.rsqrt(
        flat.square().mean(-1, keepdim=True)
    )
    return sinkhorn(
        (logits * scale.float() + bias[2 * n :].float()).unflatten(-1, (n, n)),
        rounds,
        (ROWS, COLUMNS),
    )


def recognise_gated(module: Any) -> Iterable[Found]:
    n, names = (
        getattr(module, "n", 0),
        ("input_mix_weight_down", "input_mix_weight_up", "block_inject_weight"),
    )
    down, up, inject = (mixer.weight(module, name) for name in names)
    if (
        not isinstance(n, int)
        or n < 1
        or down is None
        or up is None
        or not callable(getattr(module, "apply_h_res", None))
    ):
        return ()
    rank, width = down.shape
    if (
        width % n != 0
        or tuple(up.shape) != (width, rank)
        or (inject is not None and tuple(inject.shape) != (n, width))
    ):
        return ()
    return (
        Found(
            n,
            "identity",
            "identity",
            bounded="doubly",
            parameters=lambda: list(module.parameters()),
        ),
    )


def read_gated(call: Call) -> Iterable[Reading]:
    x, n = mixer.entering(call.args, call.kwargs), call.module.n
    if x is None or not isinstance(call.out, tuple) or len(call.out) < 3 or call.out[1] is not None:
        raise Refused("it must return (read, None, h_post), for its streams pass on as they are")
    lead, post = tuple(x.shape[:-1]), call.out[2]
    gate = post if mixer.is_gate(post, (*lead, n)) else None
    return (Reading("", None, lead, lambda: x.unflatten(-1, (n, -1)), post=gate),)


adapter = Adapter("megatron", recognise, lambda module: (Site("compute_mappings"),), read, formula)
gated = Adapter("megatron, gated", recognise_gated, lambda module: (Site("forward"),), read_gated)
