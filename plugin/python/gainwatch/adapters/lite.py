"""mHC-lite where it is not lucidrains' class: H_res is a convex mix of all n! permutations, so its sums are exact both ways, and it is
applied transposed. MindSpeed-LLM's has a method hc_pre(x [..., n, d]) -> (y, h_post, h_res). In the fast form everything is local to
forward(streams [(b s), t, d]): it is worked out once more, of a few tokens."""

from __future__ import annotations

import math
from typing import Any, Iterable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from . import mixer
from .lucidrains import has_method, is_count
from .protocol import Adapter, Call, Found, Reading, Site, branchless, held

FEW = 64  # tokens of the fast form, evenly spaced: those that are sampled are drawn of them
MOST = 8  # streams: 40,320 permutations


def recognise(module: Any) -> Iterable[Found]:
    n, weight, base, scale = (
        getattr(module, "hc_mult", 0),
        mixer.weight(module, "hc_fn"),
        held(module, "hc_base"),
        held(module, "hc_scale"),
    )
    if (
        not is_count(n)
        or n > MOST
        or weight is None
        or base is None
        or scale is None
        or not has_method(module, "hc_pre")
    ):
        return ()
    rows = 2 * n + math.factorial(n)
    if (
        weight.dim() != 2
        or weight.shape[0] != rows
        or weight.shape[1] % n != 0
        or base.numel() != rows
        or scale.numel() != 3
    ):
        return ()
    return (
        Found(n, "mhc", "comb", bounded="doubly", parameters=lambda: list(module.parameters())),
    )


def read(call: Call) -> Iterable[Reading]:
    x = mixer.entering(call.args, call.kwargs)
    return () if x is None else (mixer.reading("", call.out, x),)


def recognise_fast(module: Any) -> Iterable[Found]:
    n, weight, permutations = (
        getattr(module, "s", 0),
        mixer.weight(module, "alpha_proj"),
        held(module, "perm_mats"),
    )
    if (
        not is_count(n)
        or n > MOST
        or weight is None
        or permutations is None
        or not is_count(getattr(module, "dim", 0))
    ):
        return ()
    count = math.factorial(n)
    if tuple(permutations.shape) != (count, n, n) or tuple(weight.shape) != (
        n + count,
        n * module.dim,
    ):
        return ()
    return (Found(n, "mhc", "comb", bounded="doubly", parameters=lambda: branchless(module)),)


def read_fast(call: Call) -> Iterable[Reading]:
    module, given = call.module, mixer.entering(call.args, call.kwargs)
    if given is None:
        return ()
    x = given.unflatten(0, (-1, module.s)).movedim(1, -2).flatten(0, -3)
    x = x[:: max(1, x.shape[0] // FEW)]
    with torch.no_grad():
        mapping = formula(module, "", x)
    return (Reading("", mapping, (x.shape[0],), lambda: x),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """comb of streams [tokens, n, d], of the fast form."""
    flat = F.normalize(streams.flatten(-2).float(), dim=-1) * streams[0].numel() ** 0.5
    projection = module.alpha_proj
    bias = None if projection.bias is None else projection.bias[module.s :].float()
    weights = F.linear(flat, projection.weight[module.s :].float(), bias).softmax(-1)
    return (weights @ module.perm_mats.float().flatten(1)).unflatten(-1, (module.s, module.s))


adapter = Adapter("mhc-lite", recognise, lambda module: (Site("hc_pre"),), read)
fast = Adapter("mhc-lite, fast", recognise_fast, lambda module: (Site("forward"),), read_fast)
