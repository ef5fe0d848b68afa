"""Tiny whole models of transformers' own, trained: losses and gradients are equal to the bit, all connections are found, and what is taken
of them is the truth."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import torch

from ..implementations import WholeModel, models
from ..standins.packages import missing
from .sampled import Taken, watched

STEPS = 3
RELATIVE = 1e-6


def trained(one: WholeModel, model: Any, watch: Any = None) -> tuple[list[Any], list[list[Taken]]]:
    """Losses, and the gradients of the last step; what is taken in each step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    kept, taken = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = model(input_ids=one.ids(step), use_cache=False)[0].float().square().mean()
        loss.backward()
        optimizer.step()
        kept.append(loss.detach())
        if watch is not None:
            taken.append(watch.take())
    return kept + [p.grad for p in model.parameters() if p.grad is not None], taken


@unittest.skipIf(missing("transformers"), "transformers is not installed")
class TestWholeModels(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)

    def test_training_is_equal_to_the_bit(self) -> None:
        self.assertGreaterEqual(len(models()), 4)
        for one in models():
            with self.subTest(one.name):
                bare, _ = trained(one, one.make(1))
                model = one.make(1)
                with watched(model) as watch:
                    names = watch.names()
                    seen, taken = trained(one, model, watch)
                self.assertEqual(len(names), 2 * one.depth)
                self.assertEqual(sorted(names), sorted(one.places(model)))
                for step in taken:
                    self.assertEqual([t.name for t in step], one.places(model))
                self.assertEqual(len(bare), len(seen))
                self.assertTrue(all(torch.equal(a, b) for a, b in zip(bare, seen)))

    def test_what_is_taken_is_the_truth(self) -> None:
        for one in models():
            with self.subTest(one.name):
                model = one.make(2)
                with watched(model) as watch:
                    truth = one.truth(model, one.entering(model))
                    taken = {t.name: t for t in watch.take()}
                self.assertEqual(set(taken), set(truth))
                for name, h in truth.items():
                    got = taken[name].h
                    self.assertEqual(taken[name].found.kind, one.kind)
                    self.assertEqual(got is None, one.kind == "identity")
                    if got is not None:
                        self.assertLess(np.abs(got - h).max(), RELATIVE)


if __name__ == "__main__":
    unittest.main()
