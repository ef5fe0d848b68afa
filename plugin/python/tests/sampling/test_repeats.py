"""Connections that run several times in a step, or not at all: the product of what is sent is that of what the model
did, worked out in float64 from matrices that the test itself has put there."""

from __future__ import annotations

import logging
import random
import unittest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gainwatch
from gainwatch.sampling.passes import TRACEABLE
from tests.sampling.looped import D, Layer, Looped, Mix, N, bare, product, sent
from tests.support import Server


class Repeats(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.close)
        logging.getLogger("gainwatch").setLevel(logging.CRITICAL + 1)
        self.addCleanup(logging.getLogger("gainwatch").setLevel, logging.NOTSET)

    def watch(self, model: nn.Module, **options: Any) -> gainwatch.Monitor:
        monitor = gainwatch.watch(model, url=self.server.url, run="repeats", **options)
        self.addCleanup(monitor.close)
        return monitor

    def x(self, step: int = 0) -> Tensor:
        return torch.randn(
            2, 6, N, D, generator=torch.Generator().manual_seed(step)
        ).requires_grad_()

    def steps(
        self, model: Looped, call: Any = None, count: int = 4, micro: int = 1, **options: Any
    ) -> list[Any]:
        """Trains, and gives the product of each step's first micro-batch."""
        wanted = []
        monitor = self.watch(model, **options)
        for step in range(count):
            for part in range(micro):
                (call or model)(self.x(step)).sum().backward()
                if part == 0:
                    wanted.append(product(model.ran))
            monitor.step(1.0)
        monitor.close()
        self.assertEqual(monitor.counters["errors"], 0)
        self.assertEqual(len(self.server.steps), count)
        return wanted

    def compare(self, wanted: list[Any]) -> None:
        for body, want in zip(self.server.steps, wanted):
            np.testing.assert_allclose(sent(body), want, rtol=1e-5, atol=1e-5)

    def test_a_matcher_is_asked_each_time(self) -> None:
        model, asked = Looped(1), [0]

        def matcher(name: str, module: Any, inputs: Any, out: Any) -> Any:
            if not name.endswith(".hc"):
                return None
            asked[0] += 1
            return out[1] if asked[0] != 4 else None  # not in the last step

        with self.watch(model, matcher=matcher, orientation="comb") as monitor:
            for step in range(4):
                model(self.x(step))
                monitor.step()
        self.assertEqual((asked[0], [body.step for body in self.server.steps]), (4, [1, 2, 3]))

    def test_a_whole_model_that_is_recomputed_counts_once(self) -> None:
        for reentrant in (False, True):
            self.server.steps.clear()
            model = Looped(2, 2)
            self.compare(
                self.steps(model, lambda x, m=model, r=reentrant: checkpoint(m, x, use_reentrant=r))
            )
            self.assertEqual(len(self.server.steps[-1].order), 4)

    def test_each_run_of_a_looped_model_counts(self) -> None:
        self.compare(self.steps(Looped(2, 3)))
        names = [
            "layers.0.hc",
            "layers.1.hc",
            "layers.0.hc#2",
            "layers.1.hc#2",
            "layers.0.hc#3",
            "layers.1.hc#3",
        ]
        self.assertEqual(self.server.steps[0].order, names)

    def test_layers_left_out_from_the_first_step_on(self) -> None:
        for seed, compiled in [(0, False), (1, False), (2, False), (3, TRACEABLE)]:
            with self.subTest(seed=seed, compiled=compiled):
                self.server.forget()
                model, wanted = Looped(5, drop=0.6), []
                model.chance.seed(seed)
                for layer in model.layers if compiled else ():
                    layer.compile(backend="eager")
                monitor = self.watch(model)
                for step in range(16):
                    y = model(self.x(step))
                    if model.ran:
                        y.sum().backward()
                        wanted.append(product(model.ran))
                    monitor.step(1.0)
                monitor.close()
                self.assertEqual(len(self.server.steps), len(wanted))
                self.compare(wanted)

    def test_each_run_that_a_matcher_names_counts(self) -> None:
        """It is asked of the model itself as well, whose pass is told all the same."""
        named = {
            "matcher": lambda name, module, _, out: out[1] if isinstance(module, Mix) else None,
            "orientation": "comb",
        }
        for drop, keep, micro in ((0.0, None, 1), (0.4, None, 1), (0.0, True, 1), (0.0, None, 3)):
            with self.subTest(drop=drop, keep=keep, micro=micro):
                self.server.steps.clear()
                self.compare(self.steps(Looped(2, 3, drop, keep), count=8, micro=micro, **named))
                self.assertGreaterEqual(len(self.server.steps[-1].order), 6)

    def test_how_often_may_change_from_step_to_step(self) -> None:
        model, wanted = Looped(2), []
        monitor = self.watch(model)
        for step, times in enumerate((2, 1, 4, 3, 1)):
            model.times = times
            model(self.x(step)).sum().backward()
            wanted.append(product(model.ran))
            monitor.step(1.0)
        monitor.close()
        self.compare(wanted)
        self.assertEqual(len(self.server.steps[-1].order), 8)  # what did not run is the identity
        self.assertEqual(len({body.metadata["attempt"] for body in self.server.steps}), 1)

    def test_more_than_can_be_watched_is_left_out_and_said(self) -> None:
        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            self.steps(Looped(2, 9), count=2)
        self.assertEqual(len(self.server.steps[0].order), 16)
        self.assertIn("more often", "\n".join(logs.output))

    def test_one_that_is_skipped_is_the_identity(self) -> None:
        self.compare(self.steps(Looped(6, 1, drop=0.4), count=12))

    def test_of_loops_that_skip_by_chance_the_order_is_right(self) -> None:
        """A layer whose first run is in the second loop stands behind what ran in the first."""
        for layers, times, seed in ((2, 3, 3), (3, 4, 1), (5, 2, 2)):
            with self.subTest(layers=layers, times=times):
                self.server.steps.clear()
                model = Looped(layers, times, drop=0.4)
                model.chance.seed(seed)
                self.compare(self.steps(model, count=30))
                self.assertLessEqual(len(self.server.steps[-1].order), 8 * layers)

    def test_layers_in_ever_other_orders_are_8_names_each_at_most_and_that_is_said(self) -> None:
        model = nn.ModuleList(Layer(seed) for seed in range(12))
        order, chance = list(model), random.Random(0)

        class Shuffled(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = model

            def forward(self, x: Tensor) -> Tensor:
                for layer in order:
                    x = layer(x)
                return x

        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        shuffled = Shuffled()
        with self.assertLogs("gainwatch", "WARNING") as logs, self.watch(shuffled) as monitor:
            for step in range(60):
                chance.shuffle(order)
                shuffled(self.x(step)).sum().backward()
                monitor.step(1.0)
        self.assertEqual(len(self.server.steps), 60)
        self.assertLessEqual(len(self.server.steps[-1].order), 96)
        self.assertIn("in ever other orders", "\n".join(logs.output))

    def test_what_is_recomputed_is_no_repetition(self) -> None:
        for keep in (True, False):
            with self.subTest(reentrant=not keep):
                self.server.steps.clear()
                self.compare(self.steps(Looped(2, 3, keep=keep)))
                self.assertEqual(len(self.server.steps[-1].order), 6)

    def test_micro_batches_are_no_repetition(self) -> None:
        self.compare(self.steps(Looped(2, 3), micro=4))
        self.assertEqual(len(self.server.steps[-1].order), 6)

    def test_micro_batches_of_layers_that_nobody_calls_together(self) -> None:
        model = nn.ModuleList(Layer(seed) for seed in range(3))
        monitor = self.watch(model)
        for step in range(3):
            for _ in range(2):
                x = self.x(step)
                for layer in model:
                    x = layer(x)
                x.sum().backward()
            monitor.step(1.0)
        monitor.close()
        self.assertEqual([body.order for body in self.server.steps], [["0.hc", "1.hc", "2.hc"]] * 3)

    @unittest.skipUnless(TRACEABLE, "torch.compile cannot trace a watched method")
    def test_compiled(self) -> None:
        for backend in ("eager", "aot_eager"):
            with self.subTest(backend=backend):
                torch._dynamo.reset()
                self.server.steps.clear()
                model: Any = bare(Looped(2, 3))
                wanted = [product([layer.hc.h for layer in model.layers] * 3)] * 3
                monitor = self.watch(model)
                call = torch.compile(model, backend=backend, fullgraph=True)
                for step in range(3):
                    for _ in range(2):
                        call(self.x(step)).sum().backward()
                    monitor.step(1.0)
                monitor.close()
                self.assertEqual(monitor.counters["errors"], 0)
                self.assertEqual(len(self.server.steps), 3)
                self.compare(wanted)

    @unittest.skipUnless(TRACEABLE, "torch.compile cannot trace a watched method")
    def test_one_layer_compiled_and_the_others_not(self) -> None:
        torch._dynamo.reset()
        model = Looped(3, 2)
        model.layers[1].compile(backend="eager")
        self.compare(self.steps(model))

    def test_two_stages(self) -> None:
        model: Any = Looped(4)
        stages = [Looped(4), Looped(4)]
        stages[0].layers, stages[1].layers = model.layers[:2], model.layers[2:]
        monitors = [
            self.watch(stage, stage=i, stages=2, rank=i, world_size=2, attempt="both")
            for i, stage in enumerate(stages)
        ]
        x = self.x()
        for stage in stages:
            x = stage(x)
        for monitor in monitors:
            monitor.step(1.0)
            monitor.close()
        first, second = sorted(self.server.steps, key=lambda body: body.metadata["stage"])
        np.testing.assert_allclose(
            sent(second) @ sent(first), product([layer.hc.h for layer in model.layers]), rtol=1e-5
        )


if __name__ == "__main__":
    unittest.main()
