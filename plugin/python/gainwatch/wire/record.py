"""What the training thread hands to the background thread for one step: plain data. Neither how it was sampled (`sampling`) nor
how it becomes bytes (`wire.body`).

Axes: S sampled tokens (the same in all connections of a step), n streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Listed:
    """One connection as the monitor knows it. `kind` and `bounded` may be mended by the self-check."""

    name: str  # `layer`, `layer#2` for its second run within a pass
    kind: str  # hc, mhc, residual, identity, orthogonal, signed, own
    # which sums of H as applied are exact: doubly, rows, columns, spectral, none; None: not known
    bounded: Optional[str]
    convention: Optional[str]  # order of Sinkhorn's normalisations: paper, deepseek
    transposed: bool  # what is stored is applied transposed ("comb")
    n: int
    parameter_bytes: float = float("nan")  # of what this rank holds
    adapter: str = ""  # by which it was found
    # of the mapping before it was sampled ("bfloat16"); None: not known
    dtype: Optional[str] = None
    parameters: Optional[str] = None  # dtypes of its parameters, sorted
    # temperature of the Sinkhorn that the mapping comes from; None: of none, or not known
    sinkhorn: Optional[float] = None


@dataclass(frozen=True)
class Listing:
    """The connections of the steps that follow, from input to output; a new object where one is added."""

    connections: tuple[Listed, ...]


@dataclass
class Values:
    """float32 numbers that may still be on their way from the device."""

    # waits, and gives them flat on the host; called once, in the background
    take: Callable[[], Tensor]
    size: int  # how many


@dataclass
class StepRecord:
    """One step. `values` holds, one after another: for each connection of `present` its sample [S, n, n] as stored (`shapes`), then
    one number for each name of `late`, then one count for each of `counted`."""

    step: int
    attempt: str
    time: int  # milliseconds since 1970
    step_seconds: float
    listing: Listing
    present: tuple[int, ...]  # places in `listing` of those that ran; others are the identity
    shapes: tuple[tuple[int, ...], ...]
    values: Values
    tokens: tuple[int, ...] = ()  # sampled positions; empty: not the same in all
    scalars: dict[str, float] = field(default_factory=dict)  # loss, learning_rate, gradient_norm
    late: tuple[str, ...] = ()  # of the same names, on the device
    # places in `present` of those that a compiled graph wrote: it ran if its count is above 0
    counted: tuple[int, ...] = ()
    memory: dict[str, int] = field(default_factory=dict)  # bytes of the run by kind
    # per `present`: the inputs [tokens, n, d] for the self-check, or None
    streams: Optional[tuple[Any, ...]] = None


def as_h(matrix: Any, connection: Listed) -> Any:
    """A tensor or an array [..., n, n] as stored -> as applied: out_i = sum_j H[i, j] x_j."""
    return matrix.swapaxes(-1, -2) if connection.transposed else matrix
