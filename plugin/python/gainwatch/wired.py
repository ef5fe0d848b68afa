"""What a monitor works with, wired together by `watch`: plain data. Not what is done with it (`monitor`, `record`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from .guard import Faults
from .sampling import listing
from .sampling.copy import Copier
from .sampling.state import Sampler
from .selfcheck.running import Check
from .transport.sender import Sender


@dataclass
class Wired:
    """What a monitor works with."""

    sampler: Sampler
    sender: Sender
    check: Check
    faults: Faults
    optimizer: Any
    attempt: str
    drain_seconds: float
    world_size: int
    place: str  # where the ranks have met (`names`)
    undo: list[Callable[[], None]] = field(default_factory=list)
    copier: Copier = field(default_factory=Copier)
    order: listing.Order = field(default_factory=listing.Order)


def release(wired: Wired) -> None:
    """Puts back what was watched, and lets go of model, optimizer and tensors, whoever still holds the monitor."""
    sampler = wired.sampler
    sampler.closed = True
    while wired.undo:
        try:
            wired.undo.pop()()
        except Exception as error:
            wired.faults.count("what was watched could not be put back", error)
    wired.optimizer, wired.order, wired.copier = None, listing.Order(), Copier()
    for kept in (sampler.parts, sampler.order, sampler.plans, sampler.uniform):
        kept.clear()


def counters(wired: Wired) -> dict[str, float]:
    """What the monitor itself cost and lost so far."""
    return {
        "overhead_seconds": wired.sampler.seconds,
        "samples_dropped": wired.sender.dropped,
        "errors": wired.faults.errors + wired.sender.errors,
    }
