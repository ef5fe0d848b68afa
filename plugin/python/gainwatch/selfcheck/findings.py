"""What is wrong with a connection as it starts, in words. Pure functions on what was measured; not
what is done with them (`table`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from torch import Tensor

from ..wire.record import Listed
from . import bounds

FROZEN = 1e-6  # norm of the derivative by the logits below which a step of 1 moves no bit
CUT_SHORT = 0.1  # of a sum: 20 iterations leave less off, of logits of deviation 4
RECOMPUTED = 1e-4  # difference from float32 that is no rounding of float32
HALF = ("bfloat16", "float16")


class Finding(NamedTuple):
    """Something that is wrong. code: which; size: by how much, to name the worst of many."""

    code: str
    text: str
    size: float = 0.0


class Measured(NamedTuple):
    """Of a connection's first sample, over its tokens: the mean of the largest row sums, the
    largest deviations of sums from 1, and what `Row` has; None: not known."""

    forward_gain: Optional[float] = None
    rows: Optional[float] = None
    columns: Optional[float] = None
    sensitivity: Optional[float] = None
    mixing: Optional[str] = None
    recomputed: Optional[float] = None


def findings(connection: Listed, measured: Measured, h: Tensor) -> Iterable[Finding]:
    """h [S, n, n], as applied. `connection.kind` is already what the sample shows."""
    n = h.shape[-1]
    if measured.rows is None or measured.columns is None:
        yield Finding("finite", "has values that are not finite")
        return
    if n == 1:
        return
    exact = min(measured.rows, measured.columns)
    if float((h - 1).abs().max()) < bounds.INEXACT:
        text = f"its gain is {n}, and the composite grows x {n} with each connection"
        yield Finding("ones", f"gives all ones, which no Sinkhorn does: {text}")
    elif connection.kind == "mhc":
        yield from _of_sums(connection, measured.rows, measured.columns)
    if any(half in (connection.parameters or "") for half in HALF):
        text = "updates smaller than their rounding are lost, keep them in float32"
        yield Finding("parameters", f"has parameters in {connection.parameters}: {text}")
    norm = measured.sensitivity
    if norm is not None and norm < FROZEN:
        text = f"the norm of its derivative by the logits is {norm:.1g}, so it can never learn"
        yield Finding("frozen", f"is frozen: {text}", -norm)
    if measured.mixing == "even" and exact < bounds.INEXACT:
        text = "what differs between the streams is gone after it"
        yield Finding("even", f"mixes evenly from the first step: {text}")
    off, limit = measured.recomputed, rounding(connection)
    if off is not None and not off <= limit:
        text = f"is not what the formula of {connection.adapter} gives in float32, by {off:.1e}"
        rounds = f"{connection.dtype} rounds by {limit:.0e}"
        yield Finding("recomputed", f"{text} ({rounds}): another variant, or a fault", off)


def rounding(connection: Listed) -> float:
    """What a mapping may differ by from a recomputation in float32."""
    return max(RECOMPUTED, 2 * bounds.epsilon(connection.dtype))


def _of_sums(connection: Listed, rows: float, columns: float) -> Iterable[Finding]:
    """Of what should be doubly stochastic."""
    exact, off = min(rows, columns), max(rows, columns)
    if exact > bounds.INEXACT:
        text = f"row sums that are off 1 by {rows:.1e}, and column sums by {columns:.1e}"
        yield Finding("sums", f"has {text}: no Sinkhorn gives that", exact)
        return
    if exact > bounds.EXACT:
        dtype = connection.dtype
        where = dtype if dtype in HALF else "half precision, it seems"
        text = f"exact only to {exact:.1e}, against 1e-5 in float32"
        yield Finding("half", f"has sums that are {text}: its Sinkhorn is in {where}", exact)
    if off > CUT_SHORT:
        one, other = ("row", "column") if rows == exact else ("column", "row")
        text = f"exact {one} sums, but {other} sums that are off 1 by {off:.1g}"
        yield Finding("cut short", f"has {text}: its Sinkhorn has not converged", off)
