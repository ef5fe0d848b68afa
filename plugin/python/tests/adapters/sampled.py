"""What an adapter finds in a model and takes of a forward pass, without a server and a thread: for tests of adapters. No test."""

from __future__ import annotations

import logging
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Optional

import numpy as np
import torch

from gainwatch.find import attach_all, recognised
from gainwatch.guard import Faults, log
from gainwatch.options import Options
from gainwatch.record import collect
from gainwatch.sampling.state import Sampler

TOKENS = 4096  # more than tests have: all are sampled


class Taken(NamedTuple):
    """Of one run of a connection, in the order in which they ran."""

    name: str
    found: Any  # gainwatch.Found
    h: Any  # [tokens, n, n] float64, as applied; None: the identity
    streams: Any  # [tokens, n, d] float64, or None
    reference: Any  # h by the adapter's formula, float64, or None


class Watched:
    """A model that is watched. take() ends a step."""

    def __init__(self, model: Any, tokens: int = TOKENS, **options: Any) -> None:
        self.faults = Faults()
        self.options = Options(**{**DEFAULTS, **options})
        self.recognised = recognised(model, self.options, self.faults)
        self.sampler = Sampler(tokens, 1, self.faults)
        self.undo = attach_all(model, self.recognised, self.sampler, "test")

    def names(self) -> list[str]:
        """Of the connections, as the modules come in the model."""
        return [part.name for part in self.sampler.parts]

    def take(self) -> list[Taken]:
        """What the forward passes since the last one left."""
        ran, samples, counts = collect(self.sampler)
        assert all(int(count) >= 1 for count in counts), "a graph did not write"
        self.sampler.watched += 1
        self.sampler.next(self.sampler.step + 1)
        return [taken(part, sample) for (part, _), sample in zip(ran, samples)]

    def close(self) -> None:
        """Leaves the model as it was."""
        self.sampler.closed = True
        for take_back in reversed(self.undo):
            take_back()


DEFAULTS: dict[str, Any] = {
    "url": None, "run": None, "key": None, "attempt": None, "token": None, "matcher": None, "kind": "own", "bounded": None, "orientation": "H",
    "tokens": 32, "every": 1, "stage": 0, "stages": 1, "replica": None, "rank": 0, "world_size": 1, "memory_limit": 1 << 20, "disk_limit": 0,
    "drain_seconds": 1.0,
}  # fmt: skip


@contextmanager
def watched(model: Any, **options: Any) -> Iterator[Watched]:
    """Watches within a block."""
    watch = Watched(model, **options)
    try:
        yield watch
    finally:
        watch.close()


def quiet(test: unittest.TestCase) -> None:
    """Nothing is logged in this test."""
    log.setLevel(logging.CRITICAL + 1)
    test.addCleanup(log.setLevel, logging.NOTSET)


def taken(part: Any, sample: Any) -> Taken:
    """As it will be sent, in float64."""
    turn = part.found.stored == "comb"
    checked = sample.checked
    reference = None if checked is None else checked.reference
    return Taken(
        part.name,
        part.found,
        applied(sample.mapping, turn),
        double(checked.streams) if checked else None,
        applied(reference, turn),
    )


def applied(mapping: Optional[torch.Tensor], turn: bool) -> Any:
    """[tokens, n, n] as it acts on the streams."""
    if mapping is None:
        return None
    return np.swapaxes(double(mapping), -1, -2) if turn else double(mapping)


def double(tensor: torch.Tensor) -> Any:
    """float64, in NumPy."""
    return tensor.detach().double().cpu().numpy()
