"""Blocks that own their mixers' parameters where the mathematics is elsewhere than in the table's implementations, or called in other ways:
a function, a replaced forward, threads, recomputation, two monitors."""

from __future__ import annotations

import functools
import threading
import unittest
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gainwatch.sampling import attach

from ..standins.deepseek import Block, Parameters, mixes, of, split, spread
from ..standins.nemo import DeepseekV4HyperConnection
from ..standins.torchtitan import NpuBlock, NpuHcPre
from .sampled import Watched, watched


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


class Decorated(ByFunction):
    """Its forward is within a function of another module."""

    forward = torch.enable_grad()(ByFunction.forward)


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
        before = hc_pre
        for kind in (ByFunction, Decorated):
            block = kind(4, 8).train()
            self.agree(block, self.x)
            torch._dynamo.reset()
            self.agree(block, self.x, torch.compile(block, backend="eager", fullgraph=True))
        self.assertIs(hc_pre, before)

    def test_a_head_is_no_site(self) -> None:
        self.agree(Headed(4, 8).train(), self.x)

    def test_a_forward_that_was_replaced_on_the_object(self) -> None:
        """As accelerate does it."""
        for kind in (ByFunction, Decorated, NpuBlock):
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

    def test_parameters_that_nobody_is_known_to_take(self) -> None:
        """It is said that these connections cannot be watched, and no class is touched."""
        for bare in (Parameters(4, 8), DeepseekV4HyperConnection(4, 8)):
            holder = nn.Module() if isinstance(bare, DeepseekV4HyperConnection) else bare
            for name, parameter in bare.named_parameters(recurse=False):
                holder.register_parameter(name, parameter)
            before = vars(nn.Module)["forward"]
            with self.assertLogs("gainwatch", "WARNING") as logs, watched(holder) as watch:
                self.assertEqual(watch.names(), [])
                self.assertIs(vars(nn.Module)["forward"], before)
            self.assertIn("cannot be watched", "".join(logs.output))

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

    def test_a_recomputed_block(self) -> None:
        """Counts once, and its gradients are equal to the bit."""
        for kind in (Block, ByFunction, NpuBlock):
            for reentrant in (False, True):
                block = kind(4, 8).train()
                x = self.x.clone().requires_grad_()
                block(x).square().mean().backward()
                before: list[Any] = [p.grad for p in block.parameters()]
                block.zero_grad()
                with self.subTest(kind.__name__, reentrant=reentrant), watched(block) as watch:
                    checkpoint(block, x, use_reentrant=reentrant).square().mean().backward()
                    self.assertEqual([t.name for t in watch.take()], watch.names())
                    after: list[Any] = [p.grad for p in block.parameters()]
                    self.assertTrue(all(torch.equal(a, b) for a, b in zip(before, after)))


if __name__ == "__main__":
    unittest.main()
