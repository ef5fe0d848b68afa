"""The connections of a training in their order, which only grows: `layer`, then `layer#2` for its second run within a pass. Those that do
not run in a step are the identity in it. Not what they are measured to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..wire.record import Listed, Listing
from .state import Part

Run = tuple[Part, int]


@dataclass
class Order:
    """What has run so far."""

    runs: list[Run] = field(default_factory=list)
    listing: Listing = field(default_factory=lambda: Listing(()))
    known: dict[Run, Listed] = field(default_factory=dict)
    last: Sequence[Run] = ()  # of the step before, and its places
    places: tuple[int, ...] = ()


def arrange(order: Order, ran: Sequence[Run], by_place: bool) -> tuple[Listing, tuple[int, ...]]:
    """The listing with all that ran in this step, and their places in it. What is new comes after what ran before it, and after what
    did not run in this step and is before it in the model; by_place: in the order of the modules in the model, as the order in which
    they ran is not known."""
    if ran == order.last:
        return order.listing, order.places
    at = 0
    came = sorted(ran, key=in_model) if by_place else ran
    for i, run in enumerate(came):
        if run in order.known:
            at = order.runs.index(run) + 1
            continue
        known = [order.runs.index(r) for r in came[i:] if r in order.known]
        end = min((k for k in known if k >= at), default=len(order.runs))
        while at < end and in_model(order.runs[at]) < in_model(run):
            at += 1  # what did not run in this step, and is before it in the model
        order.runs.insert(at, run)
        order.known[run] = listed(*run)
        at += 1
    if len(order.runs) != len(order.listing.connections):
        order.listing = Listing(tuple(order.known[run] for run in order.runs))
    index = {run: place for place, run in enumerate(order.runs)}
    order.last, order.places = list(ran), tuple(index[run] for run in ran)
    return order.listing, order.places


def in_model(run: Run) -> tuple[int, int]:
    """Sorts runs by their number, and those of one number as the modules are in the model."""
    return run[1], run[0].place


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
