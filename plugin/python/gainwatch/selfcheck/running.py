"""The self-check that goes on while the training runs, at the watched steps 1, 2, 4, 8, …: are the mappings applied as they are read, and are
the streams kept apart? Not the table at the start (`table`).

x' - H x has rank 1 (post times the branch's output) if H is the mapping, and not if it is transposed: no adapter needs to show more
than its input. Symmetric mappings (as at HC's start) leave it open, so it is asked again.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import torch
from torch import Tensor

from ..guard import log
from ..wire.record import StepRecord


class Check:
    """What was found so far. flip: mappings are to be read as their transposed from now on."""

    def __init__(self) -> None:
        self.orientation = self.streams = "undetermined"
        self.flip = False
        self._looked = 0

    def look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        """mappings: [S, n, n] as H, one for each of `record.present`; None: it did not run."""
        if self._looked == 0:
            _mend_kinds(record, mappings)
        if record.streams is None:
            return
        streams, step = record.streams, record.step
        as_given = transposed = neither = together = compared = 0
        self._looked += 1
        for h, one, following in zip(mappings, streams, streams[1:]):
            if h is None or one is None or following is None or one.streams.shape != following.streams.shape:
                continue
            x, after = one.streams.double().cpu(), following.streams.double().cpu()
            h = h[: x.shape[0]].double().expand(x.shape[0], -1, -1)
            compared += 1
            spread = (after - after.mean(1, keepdim=True)).norm() / after.norm()
            together += bool(spread < 1e-6)
            size = after.norm()
            right, wrong = (float(_rest(after - m @ x) / size) for m in (h, h.transpose(1, 2)))
            noise = 1e-4
            as_given += right < 0.1 * wrong and wrong > noise
            transposed += wrong < 0.1 * right and right > noise
            neither += min(right, wrong) > 0.02 and not (right < 0.1 * wrong or wrong < 0.1 * right)
        if compared and self.streams == "undetermined":
            self._say_of_streams(together, compared, step)
        if self.orientation == "undetermined" and max(as_given, transposed) >= max(1, 4 * min(as_given, transposed)):
            self.flip = transposed > as_given
            self.orientation = "transposed" if self.flip else "as given"
            if self.flip:
                log.warning("self-check at step %d: the mappings are applied transposed to how they are read (%d of %d connections): read as their transposed from now on", step, transposed, compared)  # fmt: skip
            else:
                log.info("self-check at step %d: the orientation is right (%d of %d connections)", step, as_given, compared)
        elif self.orientation == "undetermined" and neither > 0.5 * compared and self._looked in (1, 4):
            log.warning("self-check at step %d: between %d of %d connections the streams change by more than one branch and the mapping: its orientation cannot be seen", step, neither, compared)  # fmt: skip

    def _say_of_streams(self, together: int, compared: int, step: int) -> None:
        if together <= 0.5 * compared:
            self.streams = "apart"
            log.info("self-check at step %d: the streams are kept apart between the connections", step)
        elif self._looked >= 4:
            self.streams = "collapsed"
            log.warning("self-check at step %d: the streams are equal at the input of %d of %d connections: they are reduced to one and expanded between the layers, so H_res mixes copies and composite gains mean nothing", step, together, compared)  # fmt: skip


def _mend_kinds(record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
    """A block written as DeepSeek's need not have its Sinkhorn: what has entries below 0 is no mHC."""
    for place, mapping in zip(record.present, mappings):
        connection = record.listing.connections[place]
        if connection.kind == "mhc" and mapping is not None and bool((mapping < -1e-3).any()):
            connection.kind, connection.bounded = "hc", "none"


def _rest(r: Tensor) -> Tensor:
    """Norm of r [S, n, d] without its best rank-1 part, per token."""
    values = torch.linalg.eigvalsh(r @ r.transpose(1, 2))
    rest: Tensor = values[:, :-1].clamp(min=0).sum().sqrt()
    return rest
