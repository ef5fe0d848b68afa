"""mhc-ddim's MHCResBlock: one matrix for all tokens, h_res [n, n] = _sinkhorn(H_res_logits), applied as it is. Its streams
[N, n, C, ...] are not handed to what makes it."""

from __future__ import annotations

from typing import Any, Iterable, Optional

from torch import Tensor

from .lucidrains import has_method, is_count
from .protocol import Adapter, Call, Found, Reading, Site, held, pick
from .sinkhorn import COLUMNS, ROWS, sinkhorn

METHOD = "_sinkhorn"
LOGITS = ("H_res_logits", "H_pre_logits", "H_post_logits")


def recognise(module: Any) -> Iterable[Found]:
    n, (res, *gates) = getattr(module, "num_streams", 0), (held(module, name) for name in LOGITS)
    if (
        not is_count(n)
        or not has_method(module, METHOD)
        or res is None
        or tuple(res.shape) != (n, n)
    ):
        return ()
    if any(gate is None or tuple(gate.shape) != (n,) for gate in gates):
        return ()
    return (Found(n, "mhc", "H", parameters=lambda: [getattr(module, name) for name in LOGITS]),)


def read(call: Call) -> Iterable[Reading]:
    return (Reading("", pick(call.out, (), call.module.num_streams)),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """h_res, the same for all streams [tokens, n, d]."""
    logits = module.H_res_logits.float() / module.sinkhorn_temp
    return sinkhorn(logits, module.sinkhorn_iters, (ROWS, COLUMNS)).expand(streams.shape[0], -1, -1)


adapter = Adapter("mhc-ddim", recognise, lambda module: (Site(METHOD),), read, formula)
