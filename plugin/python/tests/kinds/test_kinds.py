"""Nothing hurts: a watched model gives the same losses and gradients to the bit, whatever is done with it, fails where it failed
before, and is left as it was. Over all implementations; the kinds are spread over them, unless GAINWATCH_FULL=1 asks for each with each."""

from __future__ import annotations

import logging
import os
import types
import unittest
import warnings
from collections.abc import Iterable
from typing import Any, Optional, cast

import torch

import gainwatch
from gainwatch.sampling.attach import PASS, TAG
from gainwatch.sampling.passes import TRACEABLE
from tests.implementations import Implementation, implementations
from tests.kinds import kinds
from tests.support import Server

FULL = os.environ.get("GAINWATCH_FULL") == "1"
N, D, DEPTH = 4, 16, 2


# Those after which the monitor has all steps of the object that is trained; after the others it may have none.
SEEN: tuple[kinds.Kind, ...] = (
    kinds.plain, kinds.accumulated, kinds.shallow_copied, kinds.autocast, kinds.checkpointed, kinds.checkpointed_reentrant, kinds.layers_checkpointed, kinds.replicated, kinds.functional,
    kinds.holds_its_monitor, kinds.forked, kinds.evaluated, kinds.traced,
)  # fmt: skip
UNSEEN: tuple[kinds.Kind, ...] = (
    kinds.deep_copied, kinds.pickled, kinds.saved, kinds.scripted, kinds.exported, kinds.exported_strictly, kinds.symbolic, kinds.batched, kinds.moved, kinds.bfloat16,
)  # fmt: skip
COMPILED: tuple[kinds.Kind, ...] = (
    kinds.compiled, kinds.compiled_whole, kinds.compiled_by_layer, kinds.compiled_first_layer, kinds.compiled_and_checkpointed, kinds.compiled_autocast, kinds.moved_then_compiled,
)  # fmt: skip
# What everybody does: tried with each adapter.
COMMON: tuple[kinds.Kind, ...] = (
    kinds.shallow_copied, kinds.replicated, kinds.forked, kinds.traced, kinds.deep_copied, kinds.pickled, kinds.exported, kinds.moved,
)  # fmt: skip


class Never(unittest.TestCase):
    """One kind with one implementation."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.close)
        warnings.simplefilter("ignore")
        level = logging.getLogger("gainwatch").level
        logging.getLogger("gainwatch").setLevel(logging.CRITICAL + 1)
        self.addCleanup(logging.getLogger("gainwatch").setLevel, level)
        torch.set_num_threads(1)

    def watch(self, entry: Implementation, model: Any, run: str) -> gainwatch.Monitor:
        return gainwatch.watch(
            model, url=self.server.url, run=run, matcher=entry.matcher, drain_seconds=5
        )

    def check(self, entry: Implementation, kind: kinds.Kind, seen: bool) -> None:
        inputs = inputs_of(entry)
        wanted, failed = outcome(entry, kind, inputs, None)
        if kind is kinds.scripted:  # what TorchScript does at first differs from what it does later
            wanted, failed = outcome(entry, kind, inputs, None)
        model = entry.make(N, entry.channels * D, 1, DEPTH)
        before = looks(model)
        monitor = self.watch(entry, model, "kinds")
        if entry.found == "adapter":
            self.assertEqual(
                [p.name for p in cast(Any, monitor._wired).sampler.parts], entry.connections(DEPTH)
            )
        try:
            got, error = outcome(entry, kind, inputs, monitor, model)
        finally:
            monitor.close()
        self.assertEqual(error, failed)
        self.assertEqual(len(got), len(wanted))
        self.assertTrue(all(same(a, b) for a, b in zip(got, wanted)))
        self.assertEqual(monitor.counters["errors"], 0)
        if seen and failed is None:
            self.assertEqual(monitor.counters["acknowledged"], kinds.STEPS)
        after = looks(model)
        self.assertEqual(after, before)

    def over(self, chosen: Iterable[tuple[Implementation, kinds.Kind]], seen: bool) -> None:
        for entry, kind in chosen:
            with self.subTest(implementation=entry.name, kind=kind.__name__):
                torch._dynamo.reset()
                self.check(entry, kind, seen)

    def test_what_goes_on_being_watched(self) -> None:
        self.over(spread(subjects(), SEEN, 2), True)

    def test_what_is_not_watched(self) -> None:
        self.over(spread(subjects(), UNSEEN, 2), False)

    def test_what_is_compiled(self) -> None:
        first = {entry.row: entry for entry in reversed(subjects()) if entry.matcher is None}
        known = [e for e in subjects() if e.matcher is None and (FULL or first[e.row] is e)]
        self.over(spread(known, COMPILED, 1), TRACEABLE)

    def test_what_is_watched_twice(self) -> None:
        for entry in subjects():
            with self.subTest(implementation=entry.name):
                inputs = inputs_of(entry)
                wanted, _ = outcome(entry, kinds.plain, inputs, None)
                model = entry.make(N, entry.channels * D, 1, DEPTH)
                before = looks(model)
                one, two = (self.watch(entry, model, run) for run in ("one", "two"))
                got, _ = outcome(entry, kinds.plain, inputs, two, model)
                one.close()
                two.close()
                self.assertTrue(all(same(a, b) for a, b in zip(got, wanted)))
                self.assertEqual(
                    (two.counters["acknowledged"], two.counters["errors"]), (kinds.STEPS, 0)
                )
                self.assertEqual(looks(model), before)


def subjects() -> list[Implementation]:
    """All that can be made here and are watched by an adapter or a matcher."""
    return [e for e in implementations() if not e.available() and e.found != "never" and e.fits(N)]


def spread(
    entries: list[Implementation], of: tuple[kinds.Kind, ...], each: int
) -> Iterable[tuple[Implementation, kinds.Kind]]:
    """So many kinds for each implementation, so that all come about equally often; for the first of each row of the table
    what everybody does, too. All with all where that is asked for."""
    rows: set[str] = set()
    for at, entry in enumerate(entries):
        chosen = {of[(at * each + i) % len(of)] for i in range(each)}
        if entry.row not in rows:
            chosen |= set(COMMON)
        rows.add(entry.row)
        for kind in of:
            if FULL or kind in chosen:
                yield entry, kind


def inputs_of(entry: Implementation) -> kinds.Input:
    """Streams by step."""
    return lambda step: entry.streams(N, entry.channels * D, step)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """To the bit; NaN is NaN."""
    return torch.equal(one, other) or (
        torch.equal(one.isnan(), other.isnan())
        and torch.equal(one.nan_to_num(), other.nan_to_num())
    )


def outcome(
    entry: Implementation, kind: kinds.Kind, inputs: kinds.Input, monitor: Any, model: Any = None
) -> tuple[kinds.Outcome, Optional[str]]:
    """What came out, or the name of what was raised."""
    model = entry.make(N, entry.channels * D, 1, DEPTH) if model is None else model
    try:
        torch.manual_seed(7)
        return kind(model, inputs, monitor), None
    except Exception as error:
        return [], type(error).__name__


def looks(model: Any) -> list[Any]:
    """Of each module: the methods of its class, and what stands in its __dict__ by name; without what torch itself puts there."""
    own = {"_compiled_call_impl", "_is_torch_compile", "__overloads__"}
    found = []
    for module in model.modules():
        methods = {
            (k.__name__, n): v
            for k in type(module).__mro__
            for n, v in vars(k).items()
            if isinstance(v, types.FunctionType)
        }
        assert TAG not in vars(module) and PASS not in vars(module)
        found.append(
            (
                sorted(name for name in set(vars(module)) - own if "_tensor_constant" not in name),
                {name: id(value) for name, value in methods.items()},
            )
        )
    return found
