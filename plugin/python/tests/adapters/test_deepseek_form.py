"""Connections of DeepSeek's form, and the identity ones of hy_v4 and qwen4_exp: formulas, gates, training to the bit, and where else
than in the table's implementations the mathematics can be. (`test_table`: that they are found, and what is taken is the truth.)"""

from __future__ import annotations

import dataclasses
import functools
import threading
import unittest
from typing import Any

import numpy as np
import torch
from torch import nn

from gainwatch.sampling import attach
from gainwatch.sampling.attach import TAG

from ..implementations import Implementation, implementations
from ..standins.deepseek import Block, Parameters, mixes, of, split, spread
from ..standins.torchtitan import NpuBlock, NpuHcPre
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


def hc_pre(x: torch.Tensor, hc_fn: Any, hc_scale: Any, hc_base: Any) -> Any:
    """A function elsewhere than the block's class."""
    pre, post, comb = split(mixes(x, hc_fn), hc_scale, hc_base, x.shape[-2])
    return (pre.unsqueeze(-1) * x).sum(2), post, comb


class ByFunction(Parameters):
    """A block that hands its parameters to a function."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = hc_pre(x, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base)
        x = spread(self.attn(y), x, post, comb)
        y, post, comb = hc_pre(
            x, hc_fn=self.hc_ffn_fn, hc_scale=self.hc_ffn_scale, hc_base=self.hc_ffn_base
        )
        return spread(self.ffn(y), x, post, comb)


class Headed(Block):
    """DeepSeek's block of further tokens: it has a head's parameters too, and hands them to a method of the same arguments."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__(n, d)
        self.hc_head_fn, self.hc_head_base = (
            nn.Parameter(torch.randn(n, n * d)),
            nn.Parameter(torch.randn(n)),
        )
        self.hc_head_scale = nn.Parameter(torch.ones(1))

    def hc_head(self, x: torch.Tensor, hc_fn: Any, hc_scale: Any, hc_base: Any) -> torch.Tensor:
        return (torch.sigmoid(mixes(x, hc_fn) * hc_scale + hc_base).unsqueeze(-1) * x).sum(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        return self.hc_head(x, self.hc_head_fn, self.hc_head_scale, self.hc_head_base)


def truth_of_both(block: Any, x: torch.Tensor) -> Any:
    """H of a block's first site [tokens, n, n]."""
    return of("hc_attn_")(block, x.double().numpy().reshape(-1, *x.shape[-2:]), {}).h


class TestElsewhere(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(0)
        self.x = torch.randn(2, 6, 4, 8)

    def agree(self, block: Any, x: torch.Tensor, run: Any = None) -> None:
        with watched(block, tokens=12) as watch:
            self.assertEqual(watch.names(), ["connection.attn", "connection.ffn"])
            (block if run is None else run)(x)
            taken = watch.take()
            self.assertEqual(watch.faults.errors, 0)
        self.assertEqual([one.name for one in taken], ["connection.attn", "connection.ffn"])
        self.assertLess(np.abs(taken[0].h - truth_of_both(block, x)).max(), 1e-6)

    def test_a_function_of_the_forward_s_module(self) -> None:
        block = ByFunction(4, 8).train()
        before = hc_pre
        self.agree(block, self.x)
        torch._dynamo.reset()
        self.agree(block, self.x, torch.compile(block, backend="eager", fullgraph=True))
        self.assertIs(hc_pre, before)

    def test_a_head_is_no_site(self) -> None:
        self.agree(Headed(4, 8).train(), self.x)

    def test_a_forward_that_was_replaced_on_the_object(self) -> None:
        """As accelerate does it."""
        for kind in (ByFunction, NpuBlock):
            with self.subTest(kind.__name__):
                block = kind(4, 8).train()
                old = block.forward
                new = functools.partial(lambda old, *given: old(*given), old)
                block.__dict__["forward"] = functools.update_wrapper(new, old)
                self.agree(block, self.x)

    def test_watched_by_two_monitors(self) -> None:
        """The second finds the same methods, and both are taken off in either order."""
        for order in ((0, 1), (1, 0)):
            block, before = NpuBlock(4, 8).train(), vars(NpuHcPre)["forward"]
            pair = Watched(block), Watched(block)
            block(self.x)
            self.assertEqual(len(pair[1].take()), 2)
            for i in order:
                pair[i].close()
            self.assertIs(vars(NpuHcPre)["forward"], before)

    def test_replicas_in_threads(self) -> None:
        """What runs at the same time in another thread is noted of its own block alone, and nothing stays noted."""
        blocks, gate = (
            [ByFunction(4, 8).train() for _ in range(2)],
            threading.Barrier(2, timeout=20),
        )

        def meet(*_: Any) -> None:
            gate.wait()

        for block in blocks:
            block.attn.register_forward_pre_hook(meet)
        with watched(nn.ModuleList(blocks)) as watch:
            threads = [threading.Thread(target=block, args=(self.x,)) for block in blocks]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual({one.name for one in watch.take()}, set(watch.names()))
        self.assertIsNone(attach._armed().calls)

    def test_a_replica_without_parameters(self) -> None:
        """DataParallel's replicas have tensors as attributes."""
        block = Block(4, 8).train()
        with watched(block) as watch:
            replica = block._replicate_for_data_parallel()
            for name, parameter in block.named_parameters(recurse=False):
                setattr(replica, name, parameter.clone())
            replica(self.x)
            for part in watch.sampler.parts:
                part.device = self.x.device
            replica(self.x)
            self.assertEqual(
                [one.name for one in watch.take()], ["connection.attn", "connection.ffn"]
            )

    def test_shapes_that_are_none(self) -> None:
        """Nothing is found where a row, a column or a scale is too many."""
        for rows, columns, scales in ((25, 32, 3), (24, 33, 3), (24, 32, 1), (23, 32, 3)):
            block = Block(4, 8)
            block.hc_attn_fn = nn.Parameter(torch.randn(rows, columns))
            block.hc_attn_base, block.hc_attn_scale = (
                nn.Parameter(torch.randn(24)),
                nn.Parameter(torch.ones(scales)),
            )
            with self.subTest(rows=rows, columns=columns, scales=scales), watched(block) as watch:
                self.assertEqual(watch.names(), ["connection.ffn"])


if __name__ == "__main__":
    unittest.main()
