"""Classes that no adapter knows: read by the README's matcher(name, module, inputs, output) with kind= and bounded=, or by an adapter of
the user's own (mhc-poc: three mixers of one class in a layer, and no forward)."""

from __future__ import annotations

import unittest
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

import gainwatch
from gainwatch.adapters import registry

from ..implementations import implementations
from .agreement import assert_agrees, size
from .sampled import quiet, watched

# by the entry's exact sums: what a user would say
BOUNDED = {
    "doubly": "doubly",
    "none": "spectral",
}


def own(kind: str, mixers: set[int]) -> gainwatch.Adapter:
    """As a user would write it: which modules, by their id, are H_res."""

    def recognise(module: Any) -> list[gainwatch.Found]:
        if id(module) not in mixers:
            return []
        return [gainwatch.Found(module.S, kind, "H", parameters=lambda: list(module.parameters()))]

    return gainwatch.Adapter(
        "mhc-poc",
        recognise,
        lambda module: (gainwatch.Site("matrix"),),
        lambda call: (gainwatch.Reading("", call.out),),
    )


def layer_of(model: Any, n: int, d: int, index: int) -> Any:
    """The layer of a model that is there."""
    return model.layers[index]


class Matcher(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        quiet(self)

    def entries(self) -> list[Any]:
        return [entry for entry in implementations() if entry.found == "matcher"]

    def test_each_row_is_read_right(self) -> None:
        names = {entry.name for entry in self.entries()}
        self.assertEqual(
            names,
            {
                "go-mhc",
                "tbp-mhc",
                "circulant mhc",
                "temper",
                "shc",
                "jpmhc",
                "householder",
                "erase form",
            },
        )
        for entry in self.entries():
            with self.subTest(entry.name):
                bounded = BOUNDED[entry.exact]
                taken = assert_agrees(
                    self, entry, matcher=entry.matcher, kind=entry.kind, bounded=bounded
                )
                self.assertEqual({one.found.bounded for one in taken}, {bounded})
                self.assertEqual({one.h.shape[-1] for one in taken}, {4})

    def test_no_adapter_takes_them_for_its_own(self) -> None:
        for entry in self.entries():
            with self.subTest(entry.name), watched(entry.make(4, size(entry))) as watch:
                self.assertEqual(watch.names(), [])

    def test_mhc_poc_by_an_adapter_of_its_own(self) -> None:
        for entry in implementations():
            if entry.found != "register":
                continue
            with self.subTest(entry.name):
                model = entry.make(4, 32)
                adapter = own(entry.kind, {id(layer.H_res) for layer in model.layers})  # type: ignore[union-attr]
                gainwatch.register(adapter)
                try:
                    assert_agrees(self, replace(entry, layer=partial(layer_of, model)), depth=1)
                finally:
                    registry._own.remove(adapter)

    def test_what_a_matcher_gives_wrongly_is_refused_and_said(self) -> None:
        entry = next(entry for entry in self.entries() if entry.name == "go-mhc")
        wrong: dict[str, Any] = {
            "a list": lambda name, module, inputs, output: (
                [1.0] if hasattr(module, "matrix") else None
            ),
            "no square": lambda name, module, inputs, output: (
                output[0] if hasattr(module, "matrix") else None
            ),
            "whole numbers": lambda name, module, inputs, output: (
                torch.eye(4).long() if hasattr(module, "matrix") else None
            ),
            "more streams than 32": lambda name, module, inputs, output: (
                torch.eye(33) if hasattr(module, "matrix") else None
            ),
        }
        for what, matcher in wrong.items():
            with self.subTest(what):
                model, x = entry.make(4, 32), entry.streams(4, 32)
                before = model(x)
                with watched(model, matcher=matcher) as watch:
                    out = model(x)
                    self.assertEqual(watch.take(), [])
                self.assertTrue(torch.equal(out, before))
                self.assertGreater(watch.faults.errors, 0)

    def test_static_matrices_and_a_matcher_of_two(self) -> None:
        h = torch.randn(3, 3)
        model = torch.nn.Sequential(torch.nn.Linear(6, 6))
        for stored in ("H", "comb"):
            with watched(
                model, matcher=lambda name, module: h if name == "0" else None, orientation=stored
            ) as watch:
                model(torch.randn(2, 5, 3, 6))
                (one,) = watch.take()
            wanted = h.double().numpy()
            np.testing.assert_array_equal(one.h, (wanted.T if stored == "comb" else wanted)[None])


if __name__ == "__main__":
    unittest.main()
