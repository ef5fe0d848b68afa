"""The self-check of real trainings: lucidrains' package (where installed) and stand-ins of DeepSeek's blocks, watched as by a user."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Iterator
from typing import Any, Callable

import torch
from torch import nn

import gainwatch
from gainwatch.adapters import deepseek

from ..standins.base import Stack
from ..standins.deepseek import Block
from ..standins.packages import load, missing
from ..support import Server
from .records import silent

N, DIM, LENGTH = 4, 16, 6
torch.set_num_threads(1)
ABSENT = missing("hyper-connections")
CLASSES = {
    "HC": ("hyper_connections.hyper_connections", "HyperConnections"),
    "mHC": (
        "hyper_connections.manifold_constrained_hyper_connections",
        "ManifoldConstrainedHyperConnections",
    ),
    "mHCv2": ("hyper_connections.mHCv2", "ManifoldConstrainedHyperConnections"),
}


class Expanded(nn.Module):
    """[b, s, d] -> [b, s, d] over n streams, [(b n), s, d] or [b, s, n, d]; reduced: to one and expanded again before each layer."""

    def __init__(self, layers: list[nn.Module], first: bool, reduced: bool = False) -> None:
        super().__init__()
        self.layers, self.first, self.reduced = nn.ModuleList(layers), first, reduced

    def expand(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(N, 0) if self.first else x.unsqueeze(2).repeat(1, 1, N, 1)

    def reduce(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(0, (-1, N)).sum(1) if self.first else x.sum(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.expand(x)
        for i, layer in enumerate(self.layers):
            x = self.expand(self.reduce(x)) if self.reduced and i else x
            x = layer(x)
        return self.reduce(x)


def branch() -> nn.Module:
    return nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, DIM), nn.Tanh(), nn.Linear(DIM, DIM))


def lucidrains(kind: str, depth: int = 4, reduced: bool = False, **how: Any) -> Expanded:
    where, name = CLASSES[kind]
    torch.manual_seed(0)
    cls = getattr(load("hyper-connections", where), name)
    layers = [cls(N, dim=DIM, branch=branch(), layer_index=i, **how) for i in range(depth)]
    return Expanded(layers, kind != "mHCv2", reduced)


def deepseeks(depth: int = 2, reduced: bool = False) -> Expanded:
    torch.manual_seed(0)
    return Expanded([Block(N, DIM) for _ in range(depth)], False, reduced)


class Watched(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.close)

    def train(
        self, model: nn.Module, steps: int, rate: Callable[[int], float], **options: Any
    ) -> Any:
        """So many steps by Adam, at rate(step); the closed monitor."""
        optimizer = torch.optim.Adam(model.parameters(), 0.0)
        generator = torch.Generator().manual_seed(0)
        self.server.forget()
        with gainwatch.watch(model, url=self.server.url, run="test", **options) as monitor:
            for step in range(1, steps + 1):
                for group in optimizer.param_groups:
                    group["lr"] = rate(step)
                x = torch.randn(2, LENGTH, DIM, generator=generator)
                loss = (model(x) - x.flip(1)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                monitor.step(loss)
        self.assertEqual(monitor.counters["errors"], 0)
        return monitor

    @contextlib.contextmanager
    def warned(self, *texts: str) -> Iterator[None]:
        """Of each text in one line, and of nothing else."""
        with self.assertLogs("gainwatch", "WARNING") as logs:
            yield
        self.assertEqual(len(logs.output), len(texts), logs.output)
        for text, line in zip(texts, logs.output):
            self.assertIn(text, line)


@unittest.skipIf(ABSENT, ABSENT)
class TestLucidrains(Watched):
    def test_a_warm_up_and_a_rate_of_0(self) -> None:
        """All streams are copies at the start, and stay so for long: nothing is said of it."""
        for kind in CLASSES:
            for name, rate, steps in (
                ("from 0", lambda step: (step - 1) * 1e-6, 40),
                ("0", lambda step: 0.0, 20),
            ):
                with self.subTest(kind, rate=name), silent(self):
                    monitor = self.train(lucidrains(kind), steps, rate)
                    self.assertNotEqual(monitor.streams, "collapsed")
                    self.assertNotEqual(monitor.orientation, "transposed")

    def test_trained_it_is_seen_to_be_right(self) -> None:
        for kind, bounded in (("HC", "none"), ("mHC", "doubly"), ("mHCv2", "doubly")):
            with self.subTest(kind), silent(self):
                monitor = self.train(lucidrains(kind), 40, lambda step: 1e-2)
                self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))
                last = self.server.steps[-1]
                self.assertEqual(set(last.listed("bounded")), {bounded})
                self.assertEqual(set(last.listed("kinds")), {kind.lower()[:3]})

    def test_streams_that_are_reduced_between_layers(self) -> None:
        for kind in CLASSES:
            with self.subTest(kind), self.warned("the streams are equal at the input of"):
                monitor = self.train(lucidrains(kind, reduced=True), 40, lambda step: 1e-2)
                self.assertEqual(
                    (monitor.streams, monitor.orientation), ("collapsed", "undetermined")
                )

    def test_dropout_on_the_streams(self) -> None:
        """It comes between H x + post y and what arrives: said to be so, and the orientation is left open."""
        monitor = self.train(lucidrains("HC", dropout=0.1), 20, lambda step: 1e-2)
        self.assertEqual((monitor.orientation, monitor.streams), ("undetermined", "apart"))


class TestDeepseek(Watched):
    def test_it_is_right_at_the_first_step(self) -> None:
        with silent(self):
            monitor = self.train(deepseeks(), 2, lambda step: 1e-3)
        self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))
        entries = self.server.puts[0]["self_test"]
        self.assertEqual([one["connection"] for one in entries], self.server.steps[0].order)
        self.assertEqual(
            {(one["dtype"], one["orientation"]) for one in entries}, {("float32", "comb")}
        )
        self.assertTrue(
            all(one["row_deviation"] < 1e-5 < one["column_deviation"] for one in entries)
        )
        self.assertTrue(all(0.01 < one["sensitivity"] < 1 for one in entries))

    def test_a_transposed_adapter(self) -> None:
        """One that does not know that comb is applied transposed: put right in the first body already."""

        def wrong(module: Any) -> Any:
            return [
                found.__class__(**{**vars(found), "stored": "H"})
                for found in deepseek.recognise(module)
            ]

        right = self.train(deepseeks(), 1, lambda step: 0.0), self.server.steps[0]
        model = deepseeks()
        own = gainwatch.Adapter("wrong", wrong, deepseek.adapter.sites, deepseek.adapter.read)
        from gainwatch.adapters import registry

        gainwatch.register(own)
        self.addCleanup(registry._own.remove, own)
        with self.warned("applied transposed to how they are read (3 of 3 connections)"):
            monitor = self.train(model, 1, lambda step: 0.0)
        self.assertEqual((right[0].orientation, monitor.orientation), ("as given", "transposed"))
        for name in right[1].order:
            self.assertTrue((self.server.steps[0].tensors[name] == right[1].tensors[name]).all())

    def test_two_adapters_in_a_model(self) -> None:
        """Each by itself; that the first one's streams are reduced before the other's is true."""
        if ABSENT:
            self.skipTest(ABSENT)
        model = nn.Sequential(deepseeks(), lucidrains("HC"))
        with self.warned("between 0.layers.1.ffn and 1.layers.0 the streams are reduced to one"):
            monitor = self.train(model, 4, lambda step: 1e-2)
        self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))

    def test_skipped_layers_and_looped_ones(self) -> None:
        class Looped(Expanded):
            skip = -1

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = self.expand(x)
                for i, layer in enumerate([*self.layers] * 2):
                    x = layer(x) if i % len(self.layers) != self.skip else x
                return self.reduce(x)

        torch.manual_seed(0)
        model = Looped([Block(N, DIM) for _ in range(3)], False)
        with silent(self):
            monitor = self.train(model, 2, lambda step: 1e-3)
            self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))
            self.assertEqual(len(self.server.steps[0].order), 12)
            model.skip = 1
            monitor = self.train(model, 2, lambda step: 1e-3)
            self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))

    def test_in_half_precision(self) -> None:
        """Parameters, a Sinkhorn in bfloat16: both are said, and no more than that is made of it."""
        model = deepseeks().bfloat16()
        x = torch.randn(2, LENGTH, DIM).bfloat16()
        with (
            self.warned("has parameters in bfloat16"),
            gainwatch.watch(model, url=self.server.url) as monitor,
        ):
            monitor.step(model(x).sum())
        self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))

    def test_compiled(self) -> None:
        with self.assertLogs("gainwatch", "INFO") as logs:
            model: Any = torch.compile(deepseeks(1), backend="eager")
            monitor = self.train(model, 2, lambda step: 0.0)
        self.assertEqual(monitor.orientation, "undetermined")
        self.assertEqual(len([line for line in logs.output if "set_stance" in line]), 1)


class TestMatcher(Watched):
    def test_a_static_mapping_and_streams_of_another_layout(self) -> None:
        """[n, n] for streams [(b n), s, d] with s = n: what are streams cannot be told, and nothing is said of them."""

        class Mixed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.logits, self.branch = nn.Parameter(torch.randn(N, N)), branch()

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                streams = x.unflatten(0, (-1, N))
                mixed = torch.einsum("st,bs...->bt...", self.logits.softmax(-1), streams)
                return (mixed + self.branch(streams.mean(1)).unsqueeze(1)).flatten(0, 1)

        model = Stack([Mixed() for _ in range(3)])
        with gainwatch.watch(
            model,
            url=self.server.url,
            matcher=lambda name, module: (
                module.logits.softmax(-1) if isinstance(module, Mixed) else None
            ),
        ) as monitor:
            for _ in range(8):
                monitor.step(model(torch.randn(2 * N, N, DIM)).sum())
        self.assertEqual((monitor.orientation, monitor.streams), ("undetermined", "undetermined"))
