"""That connections of DeepSeek's form, and the identity ones of hy_v4 and qwen4_exp, are found in every implementation of their rows, and
that what is taken of them is the truth, eager and compiled."""

from __future__ import annotations

import dataclasses
import unittest
from typing import Any

import numpy as np
import torch

from gainwatch.sampling.attach import TAG

from ..implementations import Implementation, implementations
from .sampled import Watched, double, watched

ROWS = (
    "transformers deepseek_v4, glm5_next",
    "transformers hy_v4",
    "transformers qwen4_exp",
    "DeepSeek's inference code",
    "NeMo Automodel deepseek_v4",
    "NeMo deepseek_v41",
    "torchtitan main",
    "torchtitan-npu",
    "xorl, miles",
    "MindSpeed-LLM MHC",
)
TOKENS = 12  # of Implementation.streams: a compiled graph then writes each once
RELATIVE = 1e-6


def entries() -> list[Implementation]:
    """Those of the rows that can be had."""
    return [one for one in implementations() if one.row in ROWS and not one.available()]


def trained(model: Any, x: torch.Tensor, steps: int = 3) -> list[torch.Tensor]:
    """Losses, and the gradients of the last step, of a few steps of SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    kept = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        kept.append(loss.detach())
    return kept + [p.grad for p in model.parameters() if p.grad is not None]


def gates(watch: Watched, model: Any, x: torch.Tensor) -> list[tuple[Any, Any]]:
    """pre, post of each reading of a forward pass."""
    seen: list[tuple[Any, Any]] = []

    def spy(adapter: Any) -> Any:
        def read(call: Any) -> Any:
            found = list(adapter.read(call))
            seen.extend((reading.pre, reading.post) for reading in found)
            return found

        return dataclasses.replace(adapter, read=read)

    for module in model.modules():
        if TAG in module.__dict__:
            tag = module.__dict__[TAG]
            tag.adapter = spy(tag.adapter)
    model(x)
    return seen


class TestEachImplementation(unittest.TestCase):
    def test_the_rows_are_all_there(self) -> None:
        known = {one.row for one in implementations()}
        self.assertEqual(set(ROWS) - known, set())
        self.assertGreaterEqual(len(entries()), 10)

    def test_names_kind_and_streams(self) -> None:
        for entry in entries():
            for n in (1, 2, 4, 16, 32):
                with self.subTest(entry.name, n=n), watched(entry.make(n, 8, depth=2)) as watch:
                    self.assertEqual(watch.names(), entry.connections(2))
                    founds = [part.found for part in watch.sampler.parts]
                    stored = {(found.n, found.kind, found.stored) for found in founds}
                    self.assertEqual(stored, {(n, entry.kind, entry.stored)})
                    self.assertTrue(all(len(found.parameters()) >= 3 for found in founds))

    def test_what_is_taken_is_the_truth(self) -> None:
        for entry in entries():
            for n in (1, 4, 32):
                with self.subTest(entry.name, n=n):
                    self.compare(entry, n, lambda model: model)

    def test_what_a_compiled_graph_takes_is_the_truth(self) -> None:
        for entry in entries():
            with self.subTest(entry.name):
                torch._dynamo.reset()
                self.compare(entry, 4, lambda m: torch.compile(m, backend="eager", fullgraph=True))

    def compare(self, entry: Implementation, n: int, ready: Any) -> None:
        model, x = entry.make(n, 8, seed=1, depth=2), entry.streams(n, 8, seed=2)
        truth = entry.truth(model, x, n)
        with watched(model, tokens=TOKENS) as watch:
            ready(model)(x)
            taken = watch.take()
        self.assertEqual([one.name for one in taken], entry.connections(2))
        for one, h in zip(taken, truth):
            got = np.eye(n)[None] if one.h is None else one.h
            self.assertLess(np.abs(got - h).max(), RELATIVE * max(1.0, np.abs(h).max()), one.name)
            self.assertEqual(one.h is None, entry.kind == "identity")

    def test_the_formula_gives_what_is_taken(self) -> None:
        for entry in entries():
            if entry.kind == "identity":
                continue
            with self.subTest(entry.name):
                model, x = entry.make(4, 16, seed=3, depth=2), entry.streams(4, 16, seed=4)
                with watched(model) as watch, torch.autocast("cpu", torch.bfloat16, enabled=False):
                    model(x)
                    for one in watch.take():
                        tokens = len(one.reference)
                        self.assertLess(np.abs(one.reference - one.h[:tokens]).max(), 2e-6)

    def test_gates(self) -> None:
        """The write gate is at hand everywhere; the read gate where it is returned."""
        for entry in entries():
            model, x = entry.make(4, 8, seed=1), entry.streams(4, 8, seed=2)
            references = entry.references(model, x, 4)[0]
            with self.subTest(entry.name), watched(model) as watch:
                seen = gates(watch, model, x)
                self.assertEqual(len(seen), len(references))
                for (pre, post), reference in zip(seen, references):
                    for got, known in ((pre, reference.pre), (post, reference.post)):
                        if got is not None:
                            self.assertIsNotNone(known)
                            rows = sorted(map(tuple, double(got).reshape(-1, 4).tolist()))
                            self.assertLess(np.abs(rows - np.array(sorted(known.tolist()))).max(), 1e-5)
                    self.assertIsNotNone(post)
                    self.assertEqual(pre is not None, "nemo" in entry.name or "v4.1" in entry.name)

    def test_training_is_equal_to_the_bit(self) -> None:
        for entry in entries():
            with self.subTest(entry.name):
                x = entry.streams(4, 8, seed=5)
                bare = trained(entry.make(4, 8, seed=6, depth=2), x)
                model = entry.make(4, 8, seed=6, depth=2)
                with watched(model) as watch:
                    seen = trained(model, x)
                    self.assertEqual(len(watch.take()), 4)
                self.assertEqual(len(bare), len(seen))
                self.assertTrue(all(torch.equal(a, b) for a, b in zip(bare, seen)))

    def test_the_class_is_left_as_it_was(self) -> None:
        for entry in entries():
            model = entry.make(4, 8)
            kinds = {type(m) for m in model.modules()}
            held = {type(v) for m in model.modules() for v in vars(m).values()}
            before = {kind: dict(vars(kind)) for kind in kinds | held if kind.__module__ != "builtins"}
            with watched(model):
                pass
            with self.subTest(entry.name):
                self.assertTrue(all(dict(vars(kind)) == own for kind, own in before.items()))


if __name__ == "__main__":
    unittest.main()
