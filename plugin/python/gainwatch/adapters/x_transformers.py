"""x-transformers' connections, whose prepare(streams [(b s), t, d]) gives (branch input, streams, gates). HyperConnection mixes them by an
einsum of lucidrains' pattern. GatedMultiResidual, the form of Qwen's gated residual, reads by a gate of each channel, writes by one of
each stream, and passes the streams on as they are: H_res = I."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

import torch.nn.functional as F
from torch import Tensor

from . import lucidrains
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held
from .sinkhorn import COLUMNS, ROWS, sinkhorn
from .structure import has_method, is_count, shape

METHOD = "prepare"


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """What its Sinkhorn is for: over the n x n logits of a token, with exact columns. (2.31.10 runs it over n matrices of 1 x n.)"""
    fn, rounds = held(module, "dynamic_alpha_fn"), getattr(module, "sinkhorn_iters", None)
    if fn is None or rounds is None:
        return None
    norm, n = module.norm, streams.shape[-2]
    x = F.layer_norm(streams.float(), streams.shape[-1:], norm.weight.float(), None, norm.eps)
    logits = x @ fn.float() * module.dynamic_alpha_scale.float() + module.static_alpha.float()
    return sinkhorn(logits[..., -n:], rounds, (ROWS, COLUMNS))


def recognise_gated(module: Any) -> Iterable[Found]:
    """By a gain of each channel [n, d], and a static write gate [n]."""
    n, gain = getattr(module, "num_residual_streams", 0), shape(module, "read_gain")
    if not is_count(n) or not has_method(module, METHOD):
        return ()
    if len(gain) != 2 or gain[0] != n or shape(module, "static_write_logit") != (n,):
        return ()
    return (Found(n, "identity", "identity", bounded="doubly", parameters=module.parameters),)


def read_gated(call: Call) -> Iterable[Reading]:
    """The streams are its second result."""
    n, d = call.module.read_gain.shape
    x = call.out[1]
    if not isinstance(x, Tensor) or x.shape[-2:] != (n, d):
        raise Refused(f"its second result must be the streams [..., {n}, {d}]")
    return (Reading("", None, tuple(x.shape[:-2]), lambda: x),)


adapter = Adapter(
    "x-transformers",
    lambda module: lucidrains.recognise(module, METHOD),
    lambda module: (Site(METHOD, ("einsum",)),),
    lucidrains.read,
    formula,
)
gated = Adapter(
    "x-transformers, gated", recognise_gated, lambda module: (Site(METHOD),), read_gated
)
