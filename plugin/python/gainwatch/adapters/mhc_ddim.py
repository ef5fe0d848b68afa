"""mhc-ddim's MHCResBlock: one matrix for all tokens, h_res [n, n] = _sinkhorn(H_res_logits), applied as it is. Its streams
[N, n, C, ...] are not handed to what makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from .protocol import Adapter, Call, Found, Reading, Site, pick
from .structure import are, has_method, is_count, shape

METHOD, LOGITS, GATES = "_sinkhorn", "H_res_logits", ("H_pre_logits", "H_post_logits")


def recognise(module: Any) -> Iterable[Found]:
    """By its logits [n, n], those of its gates [n], and the method."""
    n = getattr(module, "num_streams", 0)
    if not is_count(n) or not has_method(module, METHOD):
        return ()
    if not hasattr(module, "sinkhorn_temp"):
        return ()
    if shape(module, LOGITS) != (n, n) or not are(module, GATES, (n,)):
        return ()
    names = (LOGITS, *GATES)

    def own() -> list[Tensor]:
        return [getattr(module, name) for name in names]

    return (Found(n, "mhc", "H", parameters=own, sinkhorn=float(module.sinkhorn_temp)),)


def read(call: Call) -> Iterable[Reading]:
    """What the method gives."""
    return (Reading("", pick(call.out, (), call.module.num_streams)),)


adapter = Adapter("mhc-ddim", recognise, lambda module: (Site(METHOD),), read)
