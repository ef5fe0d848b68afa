"""Connections of DeepSeek's form, and the identity ones of hy_v4 and qwen4_exp: formulas, gates, training to the bit.
(`test_table`: that they are found, and that what is taken is the truth. `test_handed_on`: blocks of other ways.)"""

from __future__ import annotations

import dataclasses
import unittest
from typing import Any

import numpy as np
import torch

from gainwatch.sampling.attach import TAG

from ..implementations import Implementation, implementations
from ..standins.deepseek import Block
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


def apart(a: Any, b: Any) -> float:
    """Between the tokens of both, in whatever order they are."""
    return float(np.abs(np.array(sorted(a.tolist())) - np.array(sorted(b.tolist()))).max())


class ByKeyword(Block):
    """DeepSeek's block, with another way of calling."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for site, branch in (("attn", self.attn), ("ffn", self.ffn)):
            fn, scale, base = (getattr(self, f"hc_{site}_{w}") for w in ("fn", "scale", "base"))
            y, post, comb = self.hc_pre(hc_fn=fn, hc_scale=scale, hc_base=base, x=x)
            x = self.hc_post(branch(y), x, post, comb)
        return x


class TestEachImplementation(unittest.TestCase):
    """What `test_table` does not ask of each."""

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
                            self.assertLess(apart(double(got).reshape(-1, 4), known), 1e-5)
                    self.assertIsNotNone(post)
                    self.assertEqual(pre is not None, "nemo" in entry.name or "v4.1" in entry.name)

    def test_parameters_may_come_by_keyword_and_before_the_streams(self) -> None:
        torch.manual_seed(0)
        block, x = ByKeyword(4, 8), torch.randn(2, 3, 4, 8)
        fn, scale, base = block.hc_attn_fn, block.hc_attn_scale, block.hc_attn_base
        comb = double(block.hc_pre(x, fn, scale, base)[2].flatten(0, 1))
        for compiled in (False, True):
            call = torch.compile(block, backend="eager", fullgraph=True) if compiled else block
            with watched(block, tokens=6) as watch, self.subTest(compiled=compiled):
                call(x)
                taken = watch.take()
                self.assertEqual([one.name for one in taken], ["connection.attn", "connection.ffn"])
                np.testing.assert_allclose(taken[0].h, np.swapaxes(comb, 1, 2), atol=1e-6)

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
            before = {
                kind: dict(vars(kind)) for kind in kinds | held if kind.__module__ != "builtins"
            }
            with watched(model):
                pass
            with self.subTest(entry.name):
                self.assertTrue(all(dict(vars(kind)) == own for kind, own in before.items()))


if __name__ == "__main__":
    unittest.main()
