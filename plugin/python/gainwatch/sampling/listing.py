"""The connections of a training in their order, which only grows: `layer`, then `layer#2` for its second run within a pass. Those that do
not run in a step are the identity in it. Not what they are measured to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..wire.record import Listed, Listing
from .state import MAX_RUNS, Part

Run = tuple[Part, int]


@dataclass
class Order:
    """What has run so far."""

    runs: list[Run] = field(default_factory=list)
    listing: Listing = field(default_factory=lambda: Listing(()))
    known: dict[Run, Listed] = field(default_factory=dict)
    last: Sequence[Run] = ()  # of the step before, and its places
    places: tuple[int, ...] = ()
    crossed: bool = False  # a step's order was another than the listing's, which is full


def arrange(order: Order, ran: Sequence[Run], by_place: bool) -> tuple[Listing, tuple[int, ...]]:
    """The listing with all that ran in this step, and their places in it, which rise: where a run's own number stands before what ran
    before it (of two loops one has left the layer out), it is the next number of that layer that stands behind. What is new comes after
    what ran before it; by_place: in the order of the modules in the model, as the order in which they ran is not known."""
    if ran == order.last:
        return order.listing, order.places
    at, named = 0, dict[Run, Run]()
    for run in sorted(ran, key=lambda r: (r[1], r[0].place)) if by_place else ran:
        known = run if by_place else _behind(order, run, at)
        if known not in order.known and run in order.known and _is_full(order):
            known, order.crossed = run, True
        if known in order.known:
            at = order.runs.index(known) + 1
        else:
            order.runs.insert(at, known)
            order.known[known] = listed(*known)
            at += 1
        named[run] = known
    if len(order.runs) != len(order.listing.connections):
        order.listing = Listing(tuple(order.known[run] for run in order.runs))
    index = {run: place for place, run in enumerate(order.runs)}
    order.last, order.places = list(ran), tuple(index[named[run]] for run in ran)
    return order.listing, order.places


def _behind(order: Order, run: Run, at: int) -> Run:
    """The run of the same layer that is listed first from place `at` on; else a new one: its own number, or the next."""
    part, number = run
    of = [(place, r[1]) for place, r in enumerate(order.runs) if r[0] is part]
    behind = next((n for place, n in of if place >= at), None)
    if behind is not None:
        return part, behind
    return part, max([number, *(n + 1 for _, n in of)])


def _is_full(order: Order) -> bool:
    return len(order.runs) >= MAX_RUNS * len({part for part, _ in order.runs})


def listed(part: Part, run: int) -> Listed:
    """How the monitor knows a run of a connection."""
    found, parameters = part.found, tuple(part.found.parameters())
    return Listed(
        name=f"{part.name}#{run + 1}" if run else part.name,
        kind=found.kind,
        bounded=found.bounded,
        convention=found.convention,
        transposed=found.stored == "comb",
        n=part.n,
        parameter_bytes=float(sum(map(bytes_of, parameters))),
        adapter=part.adapter.name,
        dtype=None if part.dtype is None else dtype_name(part.dtype),
        parameters=", ".join(sorted({dtype_name(p.dtype) for p in parameters})) or None,
        sinkhorn=1.0 if found.sinkhorn is None and found.convention else found.sinkhorn,
    )


def dtype_name(dtype: Any) -> str:
    """As torch has it, without "torch."."""
    return str(dtype).rpartition(".")[2]


def bytes_of(parameter: Any) -> int:
    """What this rank holds of it."""
    own = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return int(own.numel() * own.element_size())
