"""Records of trainings that are made up of NumPy matrices and streams, for tests of the self-check. No test."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Iterator, Sequence
from typing import Any, Optional

import numpy as np
import torch

from gainwatch.guard import log
from gainwatch.sampling.state import Checked
from gainwatch.selfcheck.running import Check
from gainwatch.wire.record import Listed, Listing, StepRecord

from ..support import Noted, listed, record_of

TOKENS, CHANNELS = 8, 16
Array = Any  # a NumPy array


@contextlib.contextmanager
def silent(case: unittest.TestCase) -> Iterator[None]:
    """Nothing is warned of. (assertNoLogs is of Python 3.10.)"""
    with case.assertLogs("gainwatch", "WARNING") as logs:
        log.warning("the first line")
        yield
    case.assertEqual(logs.output[1:], [])


class Told(Check):
    """A check, with what it has sent in `sent`, and its own faults in `faults`."""

    def __init__(self) -> None:
        self.faults, self.sent = Noted(), list[Any]()
        super().__init__(self.faults, self.sent.append)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sinkhorn(logits: Array, iterations: int = 20) -> Array:
    """Columns, then rows, which are exact."""
    h = np.exp(logits - logits.max((-1, -2), keepdims=True))
    for _ in range(iterations):
        h = h / h.sum(-2, keepdims=True)
        h = h / h.sum(-1, keepdims=True)
    return h


def run(hs: Sequence[Array], x: Array, rng: np.random.Generator) -> list[Array]:
    """The input [T, n, d] of each connection, whose branches give random numbers by random gates."""
    inputs = [x]
    for h in hs[:-1]:
        post, y = rng.normal(size=(len(x), x.shape[1], 1)), rng.normal(size=(len(x), 1, x.shape[2]))
        inputs.append(h @ inputs[-1] + post * y)
    return inputs


def streams(rng: np.random.Generator, n: int) -> Array:
    return rng.normal(size=(TOKENS, n, CHANNELS))


def checked(
    inputs: Sequence[Optional[Array]], dtype: torch.dtype = torch.float32
) -> tuple[Optional[Checked], ...]:
    return tuple(x if x is None else Checked(torch.tensor(x).to(dtype)) for x in inputs)


def connections(count: int, n: int = 4, **more: Any) -> list[Listed]:
    """Of one adapter, of which nothing is known unless said."""
    of = {"kind": "own", "bounded": None, "adapter": "of the test", "dtype": "float32", **more}
    return [listed(f"layer{i}", n, **of) for i in range(count)]


def look(
    check: Check,
    step: int,
    stored: Sequence[Array],
    of: Sequence[Listed],
    inputs: Optional[Sequence[Any]] = None,
    dtype: torch.dtype = torch.float32,
    **more: Any,
) -> StepRecord:
    """Shows one step. stored: [S, n, n] of each; inputs: None where it is no step of a check, else [T, n, d] or None of each."""
    record = record_of(
        step,
        stored,
        Listing(tuple(of)),
        streams=None if inputs is None else checked(inputs, dtype),
        **more,
    )
    check.look(record, [torch.tensor(m, dtype=torch.float32) for m in stored])
    return record
