"""The check over several steps of made-up trainings: what it mends, what it says and what it never says."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from .records import (
    CHANNELS,
    TOKENS,
    Told,
    connections,
    look,
    random,
    run,
    silent,
    sinkhorn,
    streams,
)

LOOKS = (1, 2, 4, 8, 16, 32, 64, 128)


class TestCheck(unittest.TestCase):
    def setUp(self) -> None:
        self.check, self.rng = Told(), random(0)
        self.addCleanup(lambda: self.assertEqual(self.check.faults.counted, []))

    def matrices(self, count: int = 4) -> list[Any]:
        return [sinkhorn(2 * self.rng.normal(size=(TOKENS, 4, 4))) for _ in range(count)]

    def test_a_transposed_adapter_is_put_right(self) -> None:
        """From the step on in which it is seen, also of a run that comes later; and the tables that are sent say so."""
        hs, of = self.matrices(), connections(4)
        inputs = run(hs, streams(self.rng, 4), self.rng)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            look(self.check, 1, [h.swapaxes(1, 2) for h in hs], of, inputs)
        self.assertRegex(
            logs.output[0],
            r"step 1: the mappings \(of the test\) are applied transposed to how they are read \(3 of 3",
        )
        self.assertEqual(
            (self.check.orientation, [c.transposed for c in of]), ("transposed", [True] * 4)
        )
        later = connections(5)[4:]
        look(self.check, 2, [hs[0].swapaxes(1, 2)] * 5, of + later)
        self.assertTrue(later[0].transposed)
        self.assertEqual([one["orientation"] for one in self.check.sent[-1]], ["comb"] * 5)
        self.assertTrue(
            all(
                one["row_deviation"] < 1e-6 < one["column_deviation"] for one in self.check.sent[-1]
            )
        )

    def test_each_adapter_has_its_own(self) -> None:
        """Two in one model, of which one is read wrongly; and one that stores its mappings both ways."""
        hs = self.matrices(7)
        inputs = run(hs, streams(self.rng, 4), self.rng)
        of = connections(7)
        for i, connection in enumerate(of):
            connection.adapter = "right" if i < 3 else "both"
            connection.transposed = i >= 5
        with self.assertLogs("gainwatch", "WARNING") as logs:
            # the last two are stored transposed and read so; 3 and 4 are, and are not
            look(
                self.check,
                1,
                [h.swapaxes(1, 2) if i >= 3 else h for i, h in enumerate(hs)],
                of,
                inputs,
            )
        self.assertEqual(len(logs.output), 1)
        self.assertEqual([c.transposed for c in of], [False] * 3 + [True] * 4)

    def test_a_symmetric_one_is_asked_again(self) -> None:
        """At its start HC is symmetric: nothing is said of it before it is not."""
        of, eye = connections(3, kind="hc", bounded="none", transposed=True), [np.eye(4)[None]] * 3
        with silent(self):
            look(self.check, 1, eye, of, run(eye, streams(self.rng, 4), self.rng))
            self.assertEqual(self.check.orientation, "undetermined")
            self.assertEqual([one["orientation"] for one in self.check.sent[-1]], [None] * 3)
            hs = [np.eye(4) + 0.01 * self.rng.normal(size=(TOKENS, 4, 4)) for _ in range(3)]
            stored = [h.swapaxes(1, 2) for h in hs]
            look(self.check, 2, stored, of, run(hs, streams(self.rng, 4), self.rng))
        self.assertEqual(self.check.orientation, "as given")
        self.assertEqual([one["orientation"] for one in self.check.sent[-1]], ["comb"] * 3)

    def test_what_comes_between_is_said_after_some_looks(self) -> None:
        hs, of = self.matrices(), connections(4)
        for step in LOOKS[:3]:
            with silent(self):
                look(self.check, step, hs, of, [streams(self.rng, 4) for _ in hs])
        with self.assertLogs("gainwatch", "WARNING") as logs:
            look(self.check, 8, hs, of, [streams(self.rng, 4) for _ in hs])
        self.assertIn("how it is applied cannot be seen", logs.output[0])

    def test_kinds_and_bounds_are_mended_where_they_are_seen_to_be_others(self) -> None:
        of = connections(5, kind="mhc")
        of[3].kind = of[4].kind = "own"
        orthogonal = np.linalg.qr(self.rng.normal(size=(TOKENS, 4, 4)))[0]
        hs = [
            *self.matrices(1),
            self.rng.normal(size=(TOKENS, 4, 4)),
            np.ones((TOKENS, 4, 4)),
            orthogonal,
            *self.matrices(1),
        ]
        look(self.check, 1, hs, of)
        wanted = [
            ("mhc", "doubly"),
            ("hc", "none"),
            ("mhc", "none"),
            ("orthogonal", "spectral"),
            ("mhc", "doubly"),
        ]
        self.assertEqual([(c.kind, c.bounded) for c in of], wanted)

    def test_one_that_was_found_doubly_may_drift(self) -> None:
        """Of nobody's word: its columns are off by half after some time, and that is what is to be warned of."""
        of, cut = connections(1), sinkhorn(6 * random(3).normal(size=(TOKENS, 4, 4)), 1)
        look(self.check, 1, self.matrices(1), of, [None])
        self.assertGreater(np.abs(cut.sum(-2) - 1).max(), 0.3)
        look(self.check, 2, [cut], of, [None])
        self.assertEqual((of[0].kind, of[0].bounded), ("mhc", "doubly"))
        look(self.check, 4, [self.rng.normal(size=(TOKENS, 4, 4))], of, [None])
        self.assertEqual((of[0].kind, of[0].bounded), ("hc", "none"))

    def test_a_connection_that_comes_later_is_tested_too(self) -> None:
        """It is not in the table that was logged, and what is wrong with it is said."""
        hs, of = self.matrices(2), connections(3)
        with self.assertLogs("gainwatch", "INFO") as logs:
            look(self.check, 1, hs, of[:2], [None] * 2)
        self.assertIn("self-test:\nconnection", "\n".join(logs.output))
        of[2].name = "layer1#2"
        with self.assertLogs("gainwatch", "WARNING") as logs:
            look(self.check, 3, [*hs, np.ones((TOKENS, 4, 4))], of)
        self.assertEqual(
            [line for line in logs.output if "layer1#2 gives all ones" in line], logs.output
        )
        self.assertEqual([len(entries) for entries in self.check.sent], [2, 3])
        look(self.check, 5, [*hs, np.ones((TOKENS, 4, 4))], of)
        self.assertEqual(len(self.check.sent), 2)

    def test_one_that_did_not_run(self) -> None:
        """LayerDrop: it is tested when it first runs."""
        import torch

        from gainwatch.wire.record import Listing

        from ..support import record_of

        hs, of = self.matrices(2), connections(2)
        record = record_of(1, hs, Listing(tuple(of)), streams=(None, None))
        self.check.look(record, [torch.tensor(hs[0]), None])
        self.assertEqual([one["connection"] for one in self.check.sent[-1]], ["layer0"])
        look(self.check, 2, hs, of)
        self.assertEqual(len(self.check.sent[-1]), 2)

    def test_a_compiled_model_is_told_how_it_is_seen(self) -> None:
        hs, of = self.matrices(), connections(4)
        with self.assertLogs("gainwatch", "INFO") as logs:
            for step in LOOKS[:3]:
                look(self.check, step, hs, of, [None] * 4, counts={0: 1.0})
        self.assertEqual(
            len([line for line in logs.output if 'set_stance("force_eager")' in line]), 1
        )
        self.assertEqual(
            (self.check.orientation, self.check.streams), ("undetermined", "undetermined")
        )

    def test_a_fault_of_its_own_is_counted_and_raised_nowhere(self) -> None:
        record = look(Told(), 1, self.matrices(1), connections(1))
        record.listing = None  # type: ignore[assignment]
        self.check.look(record, [None])
        self.assertEqual([what for what, _ in self.check.faults.counted], ["the self-check failed"])
        self.check.faults.counted.clear()


class TestStreams(unittest.TestCase):
    def setUp(self) -> None:
        self.check, self.rng = Told(), random(0)
        self.hs = [sinkhorn(2 * self.rng.normal(size=(TOKENS, 4, 4))) for _ in range(6)]
        self.of = connections(6, kind="mhc")

    def copies(self) -> Any:
        return np.repeat(self.rng.normal(size=(TOKENS, 1, CHANNELS)), 4, 1)

    def test_they_differ(self) -> None:
        with self.assertLogs("gainwatch", "DEBUG") as logs:
            look(self.check, 1, self.hs, self.of, run(self.hs, streams(self.rng, 4), self.rng))
        self.assertEqual(self.check.streams, "apart")
        self.assertIn(
            "the streams differ at the input of 5 of 5 connections", "\n".join(logs.output)
        )

    def test_they_are_reduced_between_all(self) -> None:
        """Copies at each input, which a connection with exact columns does not give."""
        with self.assertLogs("gainwatch", "WARNING") as logs:
            for step in LOOKS[:4]:
                look(
                    self.check,
                    step,
                    [h.swapaxes(1, 2) for h in self.hs],
                    self.of,
                    [self.copies() for _ in self.hs],
                )
        (said,) = [line for line in logs.output if "streams" in line]
        self.assertIn(
            "step 1: the streams are equal at the input of 5 of 5 connections, though", said
        )
        self.assertEqual(
            (self.check.streams, self.check.orientation), ("collapsed", "undetermined")
        )

    def test_they_are_reduced_once(self) -> None:
        """Between an encoder and a decoder."""
        inputs = run(self.hs[:3], streams(self.rng, 4), self.rng)
        inputs += run(self.hs[3:], self.copies(), self.rng)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            look(self.check, 1, self.hs, self.of, inputs)
            look(self.check, 2, self.hs, self.of, inputs)
        (said,) = [line for line in logs.output if "reduced" in line]
        self.assertIn("between layer2 and layer3 the streams are reduced to one", said)
        self.assertEqual(self.check.streams, "apart")

    def test_copies_that_may_have_been_given_so(self) -> None:
        """At a learning rate of 0: nothing is said but that they are equal, after 64 steps."""
        eye, x = [np.eye(4)[None]] * 6, self.copies()
        with self.assertLogs("gainwatch", "INFO") as logs:
            for step in LOOKS:
                look(self.check, step, eye, self.of, [x + i for i in range(6)])
        said = [line for line in logs.output if "streams" in line]
        self.assertEqual(len(said), 1)
        self.assertRegex(
            said[0],
            r"^INFO:.*step 64: the streams are still equal at the input of all 5 connections",
        )
        self.assertEqual(self.check.streams, "undetermined")

    @settings(deadline=None, max_examples=10)
    @given(st.integers(0, 2**31), st.floats(1e-10, 1e-3))
    def test_a_warm_up_is_no_collapse(self, seed: int, rate: float) -> None:
        """HC in float32 from copies on, its matrices and gates moving by `rate` in each step."""
        rng, check = random(seed), Told()
        of = connections(4, kind="hc", bounded="none")
        moved, gates = np.zeros((4, 1, 4, 4), np.float32), np.zeros((4, 1, 4, 1), np.float32)
        for step in range(1, 129):
            moved += np.float32(rate) * rng.normal(size=moved.shape).astype(np.float32)
            gates += np.float32(rate) * rng.normal(size=gates.shape).astype(np.float32)
            if step not in LOOKS:
                continue
            hs = list(np.eye(4, dtype=np.float32) + moved)
            inputs = [np.repeat(rng.normal(size=(TOKENS, 1, CHANNELS)).astype(np.float32), 4, 1)]
            for h, gate in zip(hs[:-1], gates):
                y = rng.normal(size=(TOKENS, 1, CHANNELS)).astype(np.float32)
                inputs.append(h @ inputs[-1] + (1 + gate) * y)
            look(check, step, hs, of, inputs)
            self.assertNotEqual(check.streams, "collapsed")
            self.assertNotEqual(check.orientation, "transposed")
            self.assertEqual({(c.kind, c.bounded) for c in of}, {("hc", "none")})
