"""x-transformers' connections, whose prepare(streams [(b s), t, d]) gives (branch input, streams, gates). HyperConnection mixes them by an
einsum of lucidrains' pattern. GatedMultiResidual, the form of Qwen's gated residual, reads by a gate of each channel, writes by one of
each stream, and passes the streams on as they are: H_res = I."""

from __future__ import annotations

from typing import Any, Iterable, Optional

import torch.nn.functional as F
from torch import Tensor

from . import lucidrains
from .protocol import Adapter, Call, Found, Reading, Refused, Site, held
from .sinkhorn import COLUMNS, ROWS, sinkhorn

METHOD = "prepare"


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """What its Sinkhorn is for: over the n x n logits of a token, with exact columns. (2.31.10 runs it over n matrices of 1 x n.)"""
    fn, iterations, n = (
        held(module, "dynamic_alpha_fn"),
        getattr(module, "sinkhorn_iters", None),
        streams.shape[-2],
    )
    if fn is None or iterations is None:
        return None
    x = F.layer_norm(
        streams.float(), streams.shape[-1:], module.norm.weight.float(), None, module.norm.eps
    )
    logits = x @ fn.float() * module.dynamic_alpha_scale.float() + module.static_alpha.float()
    return sinkhorn(logits[..., -n:], iterations, (ROWS, COLUMNS))


def recognise_gated(module: Any) -> Iterable[Found]:
    gain, write, n = (
        held(module, "read_gain"),
        held(module, "static_write_logit"),
        getattr(module, "num_residual_streams", 0),
    )
    if (
        gain is None
        or write is None
        or not lucidrains.is_count(n)
        or not lucidrains.has_method(module, METHOD)
    ):
        return ()
    if gain.dim() != 2 or gain.shape[0] != n or tuple(write.shape) != (n,):
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
    n, d = call.module.read_gain.shape
    x = call.out[1]
    if not isinstance(x, Tensor) or tuple(x.shape[-2:]) != (n, d):
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
