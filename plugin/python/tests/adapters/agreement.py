"""That what is taken of an entry of the table of implementations is its truth: names, kinds, and every number. No test."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import torch

from ..standins.base import Implementation
from .sampled import Taken, watched

D = 32  # channels of the tests' models
# of the largest entry: a later connection's truth is off by what float32 rounds its streams by
FIRST, LATER = (
    1e-6,
    5e-6,
)


def size(entry: Implementation) -> int:
    """d for an entry."""
    return max(D, entry.channels)


def taken_of(
    entry: Implementation, model: Any, x: torch.Tensor, compiled: bool, **how: Any
) -> tuple[list[str], list[Taken], torch.Tensor]:
    """Names as found, what a forward pass leaves, and its output."""
    with watched(model, **how) as watch:
        run = torch.compile(model, backend="eager", fullgraph=True) if compiled else model
        out = run(x)
        names, taken = watch.names(), watch.take()
        if watch.faults.errors:
            raise AssertionError(f"{entry.name}: {watch.faults._said}")
    return names, taken, out


def assert_agrees(
    test: unittest.TestCase,
    entry: Implementation,
    n: int = 4,
    depth: int = 2,
    compiled: bool = False,
    **how: Any,
) -> list[Taken]:
    """All that is found and taken of the entry is right, and its output is the same to the bit. Gives what was taken."""
    d = size(entry)
    model, x = entry.make(n, d, depth=depth), entry.streams(n, d)
    truth, before = entry.truth(model, x, n), model(x)
    tokens = max(len(h) for h in truth)  # so many: a compiled graph takes each of them once
    names, taken, out = taken_of(entry, model, x, compiled, **{"tokens": tokens, **how})
    test.assertTrue(torch.equal(out, before), f"{entry.name}: its output changed")
    test.assertEqual([one.name for one in taken], entry.connections(depth))
    if "matcher" not in how:
        test.assertEqual(names, entry.connections(depth))
    for place, (one, h) in enumerate(zip(taken, truth)):
        test.assertEqual(one.found.kind, entry.kind, one.name)
        if n > 1:  # else it is its own transposed
            test.assertEqual(one.found.stored, entry.stored, one.name)
        if entry.stored == "identity":
            test.assertIsNone(one.h, one.name)
            continue
        test.assertEqual(one.h.shape[1:], h.shape[1:], one.name)
        limit = (LATER if place else FIRST) * max(1.0, float(np.abs(h).max()))
        test.assertLess(float(np.abs(one.h - h).max()), limit, one.name)
    return taken
