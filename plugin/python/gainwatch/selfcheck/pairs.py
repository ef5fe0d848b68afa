"""What the streams show between a connection and the one that runs next: is its mapping applied as
it is read, and do the streams that it gives arrive? Not what is made of it (`orientations`,
`arrivals`).

Axes: T tokens, n streams, d channels. A connection gives x' = H x + post y; x' is what the next one
is given, if nothing is between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor

from ..wire.record import StepRecord

CLEAR = 0.1  # of the wrong orientation, at most so much is left by the right one
NOISE = 1e-5  # of the streams' norm, of float32: our choice, a hundred times its rounding
UNEXPLAINED = 0.02  # of the streams' norm: more than rounding, in any precision


@dataclass
class Pair:
    """A connection and the next one. place: of the first in the listing; x, after [T, n, d]: what
    both are given, as they are; h [T, n, n] (T or 1), as it is read; post [T, n]: the write gate,
    where the adapter shows it; single: the streams are mixed in float32."""

    place: int
    following: int
    x: Tensor
    h: Tensor
    after: Tensor
    post: Optional[Tensor] = None
    single: bool = False


def pairs(record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> Iterator[Pair]:
    """Those that ran one after the other with nothing known between them, and whose streams are
    known. What a listing has between two did not run, unless it is an identity (of which there is
    no sample) or was written by a graph."""
    streams, present = record.streams or (), record.present
    ran = set(present)
    for i in range(len(streams) - 1):
        first, second, h = streams[i], streams[i + 1], mappings[i]
        place, following = present[i], present[i + 1]
        if first is None or second is None or h is None or following <= place:
            continue
        between = range(place + 1, following)
        if any(
            b in ran or record.listing.connections[b].kind in ("identity", "residual")
            for b in between
        ):
            continue
        x, after = first.streams.detach().cpu(), second.streams.detach().cpu()
        if x.shape != after.shape or x.shape[1] != h.shape[-1] or x.shape[1] == 1 or not len(x):
            continue
        if not (
            bool(torch.isfinite(x).all())
            and bool(torch.isfinite(after).all())
            and bool(torch.isfinite(h).all())
        ):
            continue
        post = None if first.post is None else first.post.detach().cpu().double()
        yield Pair(place, following, x, h[: len(x)].double(), after, post, first.single)


def noise(x: Tensor) -> float:
    """What a difference must exceed, relative to the streams, to be none of rounding."""
    return max(NOISE, 4 * torch.finfo(x.dtype).eps)


def are_equal(x: Tensor) -> bool:
    """All streams of each token, to the bit: copies."""
    return bool((x == x[:, :1]).all())


def orientation(pair: Pair) -> str:
    """ "as given" or "transposed": x' - H x has the rank of what one branch writes (1, more with
    fractions) with one of them and not with the other. "neither": with none of them. "": both are
    as good, as of a symmetric H.

    Streams that are equal afterwards show nothing: those of a layer that gives their mean have
    rank 1 with the wrong one.
    """
    if are_equal(pair.after):
        return ""
    x, after, least = pair.x.double(), pair.after.double(), noise(pair.after)
    size = float(after.norm())
    right, wrong = (_rests(after - m @ x, size) for m in (pair.h, pair.h.transpose(1, 2)))
    for given, turned in zip(right, wrong):
        if given < CLEAR * turned and turned > least:
            return "as given"
        if turned < CLEAR * given and given > least:
            return "transposed"
    return "neither" if min(right[0], wrong[0]) > UNEXPLAINED else ""


def _rests(r: Tensor, size: float) -> list[float]:
    """Norm of r [T, n, d] without its best part of rank 1, 2, … n / 2 (of each token), relative to
    `size`."""
    values = torch.linalg.eigvalsh(r @ r.transpose(1, 2)).clamp(min=0)  # rising
    n = values.shape[-1]
    return [
        float(values[:, : n - rank].sum().sqrt()) / (size or 1)
        for rank in range(1, max(1, n // 2) + 1)
    ]


def arrival(pair: Pair) -> str:
    """ "apart": the streams that arrive differ. "reduced": they are copies of one, and those that
    were given are not. "equal": they are copies, and may have been given so, as all are until the
    first updates. "": they hardly differ."""
    after = pair.after.double()
    size = float(after.norm())
    if size == 0:
        return ""
    if not are_equal(pair.after):
        return (
            "apart"
            if float((after - after.mean(1, keepdim=True)).norm()) > noise(pair.after) * size
            else ""
        )
    return "reduced" if _gives_different(pair, size) else "equal"


def _gives_different(pair: Pair, size: float) -> bool:
    """Does x' = H x + post y differ among the streams, given that copies arrive? By H x alone, which no
    branch makes up for by chance; or by a write gate that differs, if the branch has given anything
    (something in no direction of x); or by rounding, where x are copies too."""
    x, after, least = pair.x.double(), pair.after.double(), noise(pair.after)
    mixed = pair.h @ x
    if _spread(mixed) > least * float(mixed.norm()):
        return True
    if pair.single and _rounds_differently(pair.h.float(), pair.x):
        return True
    if pair.post is None or _spread(pair.post) <= 10 * least * float(pair.post.norm()):
        return False
    rest = after[:, :1] - after[:, :1] @ torch.linalg.pinv(x, rtol=1e-6) @ x
    return float(rest.norm()) > 10 * least * size


def _spread(x: Tensor) -> float:
    return float((x - x.mean(1, keepdim=True)).norm())


def _rounds_differently(h: Tensor, x: Tensor) -> bool:
    """Do the streams of H x differ to the bit in float32, with products that are rounded and with
    such that are not? Then those of x' do, too, though they be the same in exact arithmetic."""
    fused, rounded = h @ x, (h.unsqueeze(-1) * x.unsqueeze(1)).sum(2)
    return not are_equal(fused) and not are_equal(rounded)
