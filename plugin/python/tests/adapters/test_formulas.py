"""The formulas that adapters bring: float32, close to what float64 gives, and apart from what is wrong by itself."""

from __future__ import annotations

import unittest

import numpy as np
import torch

from ..implementations import Implementation, implementations
from .agreement import size
from .sampled import quiet, watched

WRONG = {"x-transformers"}  # its Sinkhorn gives all ones
WITHOUT = (  # entries whose adapter has none, or not for them
    "lucidrains mhc, num_fracs 2", "mhc-lite", "mhc-lite, fast", "mhc-lite, mindspeed", "kromhc", "mhc-ddim", "tokenbender", "tokenbender, identity mix",
    "tokenbender, as it starts", "mwdgdx",
)  # fmt: skip


def with_streams() -> list[Implementation]:
    """Entries that an adapter reads and that have a matrix."""
    return [
        entry
        for entry in implementations()
        if not entry.available() and entry.found == "adapter" and entry.stored in ("H", "comb")
    ]


class Formulas(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        quiet(self)

    def test_they_give_what_the_module_gives(self) -> None:
        for entry in with_streams():
            with self.subTest(entry.name):
                model, x = entry.make(4, size(entry)), entry.streams(4, size(entry))
                truth = entry.truth(model, x, 4)
                with watched(model) as watch:
                    model(x)
                    taken = watch.take()
                if entry.name in WITHOUT:
                    self.assertIsNone(taken[0].reference)
                    continue
                count = len(taken[0].reference)
                off = np.abs(taken[0].reference - truth[0][:count]).max()
                if entry.name in WRONG:
                    self.assertGreater(off, 0.1)
                    # of H: columns of comb
                    np.testing.assert_allclose(taken[0].reference.sum(-1), 1, atol=1e-5)
                else:
                    self.assertLess(off, 2e-6)

    def test_streams_are_those_of_the_layout(self) -> None:
        for entry in with_streams():
            with self.subTest(entry.name):
                model, x = entry.make(4, size(entry)), entry.streams(4, size(entry))
                with watched(model) as watch:
                    model(x)
                    first = watch.take()[0]
                if entry.name == "mhc-ddim":  # what makes its matrix is not given them
                    self.assertIsNone(first.streams)
                    continue
                wanted = entry.to_nd(x, 4).double().numpy()
                np.testing.assert_array_equal(first.streams, wanted[: len(first.streams)])


if __name__ == "__main__":
    unittest.main()
