"""mHC-lite where it is not lucidrains' class: H_res is a convex mix of all n! permutations, so its sums are exact both ways, and it is
applied transposed. MindSpeed-LLM's has a method hc_pre(x [..., n, d]) -> (y, h_post, h_res). In the fast form everything is local to
forward(streams [(b s), t, d]): it is worked out once more, of a few tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Site, branchless
from .structure import has_method, is_count, shape

FEW = 64  # tokens of the fast form, evenly spaced: those that are sampled are drawn of them
MOST = 8  # streams: 40,320 permutations


def recognise(module: Any) -> Iterable[Found]:
    """By hc_fn [2 n + n!, n d], hc_base, hc_scale [3] and the method."""
    n, size = getattr(module, "hc_mult", 0), shape(module, "hc_fn")
    if not is_count(n) or n > MOST or not has_method(module, "hc_pre"):
        return ()
    rows = 2 * n + math.factorial(n)
    if len(size) != 2 or size[0] != rows or size[1] % n != 0:
        return ()
    if shape(module, "hc_base") != (rows,) or shape(module, "hc_scale") != (3,):
        return ()
    return (Found(n, "mhc", "comb", bounded="doubly", parameters=module.parameters),)


def read(call: Call) -> Iterable[Reading]:
    """(y, h_post, h_res)"""
    x = mixer.entering(call.args, call.kwargs)
    return () if x is None else (mixer.reading("", call.out, x),)


def recognise_fast(module: Any) -> Iterable[Found]:
    """By alpha_proj [n + n!, n d], and all permutations [n!, n, n] as a buffer."""
    n, d = getattr(module, "s", 0), getattr(module, "dim", 0)
    if not is_count(n) or n > MOST or not is_count(d):
        return ()
    count = math.factorial(n)
    if shape(module, "perm_mats") != (count, n, n):
        return ()
    if shape(module, "alpha_proj") != (n + count, n * d):
        return ()
    return (Found(n, "mhc", "comb", bounded="doubly", parameters=lambda: branchless(module)),)


def read_fast(call: Call) -> Iterable[Reading]:
    """Worked out anew: nothing of it is handed to anybody."""
    module, x = call.module, mixer.entering(call.args, call.kwargs)
    if x is None:
        return ()
    streams = x.reshape(-1, module.s, *x.shape[1:]).movedim(1, -2).flatten(0, -3)
    few = streams[:: max(1, streams.shape[0] // FEW)]
    with torch.no_grad():
        mapping = formula(module, "", few)
    return (Reading("", mapping, (few.shape[0],), lambda: few),)


def formula(module: Any, part: str, streams: Tensor) -> Tensor:
    """comb of streams [tokens, n, d], of the fast form."""
    n, projection = module.s, module.alpha_proj
    flat = F.normalize(streams.flatten(-2).float(), dim=-1) * streams[0].numel() ** 0.5
    bias = None if projection.bias is None else projection.bias[n:].float()
    weights = F.linear(flat, projection.weight[n:].float(), bias).softmax(-1)
    comb: Tensor = weights @ module.perm_mats.float().flatten(1)
    return comb.reshape(-1, n, n)


adapter = Adapter("mhc-lite", recognise, lambda module: (Site("hc_pre"),), read)
fast = Adapter("mhc-lite, fast", recognise_fast, lambda module: (Site("forward"),), read_fast)
