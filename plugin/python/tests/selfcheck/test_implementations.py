"""The self-check's statements over the whole table of implementations: shown what they do in float64, and watched for real where an
adapter or a matcher finds them. Nothing that it says is false, whatever was believed before."""

from __future__ import annotations

import logging
import unittest
from typing import Any

import numpy as np
import torch

import gainwatch
from gainwatch.sampling.state import Checked
from gainwatch.wire.record import Listing

from ..implementations import Implementation, implementations
from ..standins.base import run_branch
from ..support import Server, listed, record_of
from .records import Told

N, DIM, DEPTH = 4, 32, 2
SYMMETRIC = ("symmetric", "all ones", "H = I")  # in notes: how it is applied cannot be seen
WARNED = {  # what is wrong with them, and is said
    "x-transformers": ("gives all ones", "is not what the formula"),
    "mhc-pytorch": ("the streams are equal at the input of",),
    "lucidrains mhc, num_fracs 2": ("no Sinkhorn gives that",),
    "tokenbender, as it starts": ("is frozen",),
}
torch.set_num_threads(1)


def here() -> list[Implementation]:
    return [entry for entry in implementations() if not entry.available()]


def truth(entry: Implementation) -> tuple[list[str], list[Any], list[Any]]:
    """Names, H as applied [T, n, n] and inputs [T, n, d] of two layers' connections, in float64."""
    model, streams = (
        entry.make(N, DIM, depth=DEPTH),
        entry.to_nd(entry.streams(N, DIM, 1), N).detach().double().numpy(),
    )
    hs, inputs, carry = list[Any](), list[Any](), dict[str, Any]()
    for layer in model.layers:  # type: ignore[union-attr]
        for site in entry.sites:
            reference = site.reference(layer.get_submodule(site.module), streams, carry)
            hs.append(reference.h[:1] if entry.static else reference.h)
            inputs.append(streams)
            given = run_branch(layer.get_submodule(site.branch), reference.read)
            streams = reference.h @ streams + reference.write(given)
            if entry.collapsed:
                streams = streams.mean(1, keepdims=True).repeat(N, 1)
    return entry.connections(DEPTH), hs, inputs


def bounds_of(entry: Implementation) -> tuple[str, ...]:
    """What may be said to bound it."""
    if entry.kind in ("orthogonal", "signed"):
        return ("spectral",)
    if entry.exact == "none" or entry.kind == "hc":
        return ("none",)
    return ("doubly",)


class TestTruth(unittest.TestCase):
    def shown(
        self, entry: Implementation, kind: str, wrong: bool = False, looks: int = 4
    ) -> tuple[Told, list[Any]]:
        """What a check makes of it that believes it to be of `kind`; wrong: that takes H for its transposed."""
        names, hs, inputs = truth(entry)
        comb = entry.stored == "comb"
        stored = [h.swapaxes(1, 2) if comb else h for h in hs]
        of = [
            listed(
                name,
                hs[0].shape[-1],
                kind=kind,
                bounded=None,
                transposed=comb != wrong,
                adapter=entry.name,
            )
            for name in names
        ]
        check = Told()
        streams = tuple(Checked(torch.tensor(x[:8]).float(), single=True) for x in inputs)
        for step in range(looks):
            record = record_of(2**step, stored, Listing(tuple(of)), streams=streams)
            check.look(record, [torch.tensor(h).float() for h in stored])
        self.assertEqual(check.faults.counted, [])
        return check, of

    def setUp(self) -> None:
        logging.disable(logging.WARNING)
        self.addCleanup(logging.disable, logging.NOTSET)

    def test_kinds_and_bounds_are_found(self) -> None:
        """Whether they are believed right, or to be HC, or nothing is."""
        for entry in here():
            if entry.stored not in ("H", "comb"):
                continue
            for believed in (entry.kind, "own", "hc"):
                with self.subTest(entry.name, believed=believed):
                    of = self.shown(entry, believed)[1]
                    kinds, bounds = {c.kind for c in of}, {c.bounded for c in of}
                    if "H = I" in entry.note and believed != entry.kind:  # it shows nothing
                        self.assertEqual(
                            (kinds, bounds), ({believed}, {"none" if believed == "hc" else None})
                        )
                    elif entry.exact == "none" and entry.kind == "mhc":
                        # no sum is 1: kind is what it is called
                        self.assertEqual(kinds, {believed})
                        self.assertTrue(
                            bounds <= {"none", None if believed == "own" else "none"}, bounds
                        )
                    elif entry.kind == "hc":
                        self.assertEqual((kinds, bounds), ({believed}, {"none"}))
                    else:
                        self.assertEqual((kinds, bounds), ({entry.kind}, set(bounds_of(entry))))

    def test_orientations_are_found(self) -> None:
        for entry in here():
            if entry.stored not in ("H", "comb"):
                continue
            hidden = entry.collapsed or any(note in entry.note for note in SYMMETRIC)
            for wrong in (False, True):
                with self.subTest(entry.name, wrong=wrong):
                    check, of = self.shown(entry, entry.kind, wrong)
                    self.assertEqual(
                        check.orientation,
                        "undetermined" if hidden else "transposed" if wrong else "as given",
                    )
                    if not hidden:
                        self.assertEqual({c.transposed for c in of}, {entry.stored == "comb"})
                        self.assertEqual(
                            {one["orientation"] for one in check.sent[-1]}, {entry.stored}
                        )

    def test_streams(self) -> None:
        for entry in here():
            if entry.stored in ("H", "comb"):
                with self.subTest(entry.name):
                    self.assertEqual(
                        self.shown(entry, entry.kind)[0].streams,
                        "collapsed" if entry.collapsed else "apart",
                    )

    def test_sums_are_measured(self) -> None:
        """To the rounding of float32."""
        for entry in here():
            if entry.stored not in ("H", "comb"):
                continue
            with self.subTest(entry.name):
                sent = self.shown(entry, entry.kind)[0].sent[-1]
                for one, h in zip(sent, truth(entry)[1]):
                    for name, axis in (("row_deviation", -1), ("column_deviation", -2)):
                        self.assertAlmostEqual(one[name], np.abs(h.sum(axis) - 1).max(), delta=1e-5)
                    self.assertAlmostEqual(
                        one["forward_gain"], np.abs(h.sum(-1)).max(-1).mean(), delta=1e-5
                    )


class TestWatched(unittest.TestCase):
    def test_nothing_false_is_said(self) -> None:
        """Random weights, random streams, three steps without a change."""
        found = 0
        for entry in here():
            with self.subTest(entry.name):
                server = Server()
                self.addCleanup(server.close)
                model = entry.make(N, DIM, depth=DEPTH)
                with self.assertLogs("gainwatch", "WARNING") as logs:
                    logging.getLogger("gainwatch").warning("the first line")
                    how: dict[str, Any] = (
                        {} if entry.matcher is None else {"matcher": entry.matcher}
                    )
                    with gainwatch.watch(model, url=server.url, **how) as monitor:
                        for seed in range(3):
                            monitor.step(model(entry.streams(N, DIM, seed)).sum())
                kinds = server.steps[-1].listed("kinds") if server.steps else []
                if not kinds:
                    continue  # no adapter: its own test says so
                found += 1
                self.assertEqual(set(kinds), {entry.kind})
                if entry.stored in ("H", "comb"):
                    self.assertTrue({*server.steps[-1].listed("bounded")} <= {*bounds_of(entry)})
                    self.assertNotEqual(monitor.orientation, "transposed")
                    self.assertEqual(monitor.streams == "collapsed", entry.collapsed)
                allowed = WARNED.get(entry.name, ())
                for line in logs.output[1:]:
                    if "self-" in line:
                        self.assertTrue(any(text in line for text in allowed), line)
        self.assertGreater(found, 10)
