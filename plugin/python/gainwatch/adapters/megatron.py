"""Megatron's HyperConnectionModule, its children (single pass, mcore-bridge) and FlagOS' HyperConnection: compute_mappings(x [s, b, n C])
gives (h_pre, h_post, h_res [s, b, n, n]). main applies h_res as it is, dev transposed: apply_h_res tells. Not the gated residual
(`megatron_gated`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from . import mixer
from .orientation import orientation
from .protocol import Adapter, Call, Found, Reading, Site, held, pick
from .sinkhorn import COLUMNS, ROWS, sinkhorn
from .structure import is_count, shape

METHODS = ("compute_mappings", "apply_h_res")
ITERATIONS = 20


def recognise(module: Any) -> Iterable[Found]:
    """By mapping_proj [n n + 2 n, n C] and these methods."""
    n, size = getattr(module, "n", 0), shape(module, "mapping_proj")
    if not is_count(n) or len(size) != 2 or size[0] != n * n + 2 * n or size[1] % n != 0:
        return ()
    if not all(callable(getattr(module, name, None)) for name in METHODS):
        return ()
    return (Found(n, "mhc", stored(module, n), parameters=module.parameters, sinkhorn=1.0),)


def stored(module: Any, n: int) -> str:
    """ "H" or "comb", by apply_h_res(h [s, b, n, n], x [s, b, n C])."""
    weight = module.mapping_proj.weight
    d = weight.shape[1] // n
    return orientation(n, d, weight.device, lambda h, x: module.apply_h_res(h, x.flatten(2)))


def read(call: Call) -> Iterable[Reading]:
    """(h_pre [s, b, n], h_post [s, b, n], h_res)"""
    x, n, out = mixer.entering(call.args, call.kwargs), call.module.n, call.out
    if x is None:
        return ()
    lead, pre, post = tuple(x.shape[:-1]), None, None
    mapping = pick(out, lead, n)
    if isinstance(out, tuple) and all(mixer.is_gate(gate, (*lead, n)) for gate in out[:2]):
        pre, post = out[:2]
    return (Reading("", mapping, lead, lambda: x.reshape(*lead, n, -1), pre, post),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res of streams [tokens, n, C]: of main, rows and columns divided by their sums in turn; of dev, DeepSeek's Sinkhorn."""
    projection, bias = mixer.weight(module, "mapping_proj"), held(module, "bias")
    scale, n = held(module, "alpha_res"), streams.shape[-2]
    if projection is None or bias is None or scale is None:
        return None
    fn, base = projection[2 * n :].float(), bias[2 * n :].float()
    rounds = int(getattr(module, "sinkhorn_iterations", ITERATIONS))
    if stored(module, n) == "comb":
        return mixer.comb_of(streams, fn, base, scale, rounds)
    flat = streams.flatten(-2).float()
    logits = F.linear(flat, fn) * torch.rsqrt(flat.square().mean(-1, keepdim=True))
    return sinkhorn((logits * scale.float() + base).reshape(-1, n, n), rounds, (ROWS, COLUMNS))


adapter = Adapter("megatron", recognise, lambda module: (Site(METHODS[0]),), read, formula)
