"""One training step as a record, on the training's thread: what was sampled in it, and what the loop said of it. Waits for nothing. Not
how it is sampled (`sampling`), nor how it is sent (`transport`)."""

from __future__ import annotations

import time
from typing import Any, Optional

from torch import Tensor

from . import scalars
from .compiled import taps
from .sampling import listing
from .sampling.copy import values
from .sampling.listing import Run
from .sampling.state import Sample, Sampler
from .wire.body import common_streams
from .wire.record import Listing, StepRecord
from .wired import Wired


def record_of(
    wired: Wired, number: int, attempt: str, given: dict[str, Any], seconds: float
) -> Optional[StepRecord]:
    """The step that has just ended; None where the model has connections, or had them, and none of them ran. given: loss, learning_rate,
    gradient_norm; seconds: since the step before."""
    sampler = wired.sampler
    ran, samples, counts = collect(sampler)
    if not ran and (sampler.parts or wired.order.runs):
        return None
    if given["learning_rate"] is None:
        given = {**given, "learning_rate": scalars.rate(wired.optimizer, wired.faults)}
    read = {name: scalars.number(name, value, wired.faults) for name, value in given.items()}
    late = {name: value for name, value in read.items() if isinstance(value, Tensor)}
    listed, places = listing.arrange(wired.order, ran, bool(counts))
    if wired.order.crossed:
        sampler.faults.say(
            "order",
            "the connections run in ever other orders: composite gains are of one order, and not right of all steps",
        )
    mapped = [i for i, sample in enumerate(samples) if sample.mapping is not None]
    tensors = [m for m in (sample.mapping for sample in samples) if m is not None]
    tokens = samples[mapped[0]].tokens if mapped else ()
    return StepRecord(
        step=number,
        attempt=attempt,
        time=int(time.time() * 1000),
        step_seconds=seconds,
        listing=listed,
        present=tuple(places[i] for i in mapped),
        shapes=tuple([t.shape for t in tensors]),
        values=values(wired.copier, [*tensors, *late.values(), *counts]),
        tokens=tokens if all(samples[i].tokens == tokens for i in mapped) else (),
        scalars={name: value for name, value in read.items() if isinstance(value, float)},
        late=tuple(late),
        counted=tuple(range(len(mapped) - len(counts), len(mapped))),
        memory=scalars.memory(tensors[0].device) if tensors else {},
        streams=tuple(samples[i].checked for i in mapped) if sampler.checking else None,
    )


def opening_of(listed: Listing, tokens: int) -> dict[str, Any]:
    """What the open PUT says of the connections (`RunState` of openapi.yaml)."""
    connections = listed.connections
    return {
        "streams": common_streams(connections),
        "tokens": tokens,
        "order": [c.name for c in connections],
        "kinds": [c.kind for c in connections],
        "conventions": [c.convention for c in connections],
        "bounded": [c.bounded for c in connections],
    }


def collect(sampler: Sampler) -> tuple[list[Run], list[Sample], list[Any]]:
    """What ran in this step, in its order, and the samples; those of compiled graphs come last, with a count of each. Where there are some,
    the order is that of the modules in the model."""
    ran = sampler.order
    samples = [part.samples[run] for part, run in ran]
    graphs: list[tuple[Run, Sample, Any]] = []
    for part in sampler.parts:
        if part.written or part.captured:
            sampler.compiled = True
            graphs += [
                ((part, run), sample, count)
                for run, sample, count in taps.read(part)
                if run == 0 or sampler.entered
            ]
            part.written = 0
        if part.refused:
            part.refused = False
            sampler.faults.note(
                part.name,
                "it is left out in a compiled graph",
                "what it returns there has no tensor that can be its mapping",
            )
        if part.wanted:
            taps.prepare(sampler, part, max(part.wanted, 0))
            part.wanted = 0
    if not sampler.entered and ran:
        for part in sampler.parts:
            part.stride = 0
    counts = [count for _, _, count in graphs if count is not None]
    graphs.sort(key=lambda g: g[2] is not None)  # without a count: the identity
    return ran + [g[0] for g in graphs], samples + [g[1] for g in graphs], counts
