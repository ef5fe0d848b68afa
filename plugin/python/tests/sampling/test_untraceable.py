"""A torch whose torch.compile cannot trace a watched method: the graph has the bare one, and what is left out is said."""

from __future__ import annotations

import logging
import unittest
from typing import Any
from unittest import mock

import torch

from gainwatch.sampling import passes
from tests.case import Case
from tests.sampling.looped import Looped, bare


def losses(model: Any, call: Any, monitor: Any = None) -> list[float]:
    found = []
    for step in range(4):
        x = torch.randn(2, 3, 4, 8, generator=torch.Generator().manual_seed(step))
        loss = call(x).square().mean()
        loss.backward()
        found += [
            float(loss.detach()),
            *(float(p.grad.sum()) for p in model.parameters() if p.grad is not None),
        ]
        if monitor is not None:
            monitor.step(loss)
    return found


class Untraceable(Case):
    def setUp(self) -> None:
        super().setUp()
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        patch = mock.patch.object(passes, "TRACEABLE", False)
        patch.start()
        self.addCleanup(patch.stop)

    def compared(self, make: Any, whole: bool) -> list[str]:
        """The lines that were said; the losses and gradients are those of the unwatched."""
        model, call = make(whole)
        wanted = losses(model, call)
        torch._dynamo.reset()
        model, call = make(whole)
        logging.getLogger("gainwatch").setLevel(logging.NOTSET)
        with self.assertLogs("gainwatch") as logged, self.watch(model) as monitor:
            self.assertEqual(losses(model, call, monitor), wanted)
        self.assertEqual(monitor.counters["errors"], 0)
        return [line.getMessage() for line in logged.records]

    def test_a_whole_model(self) -> None:
        def make(whole: bool) -> Any:
            model = bare(Looped(3))
            return model, torch.compile(model, backend="eager", fullgraph=whole)

        for whole in (True, False):
            with self.subTest(fullgraph=whole):
                lines = self.compared(make, whole)
                self.assertEqual(len([s for s in lines if "3 of 3 connections" in s]), 1)
                self.assertFalse([s for s in lines if "training mode" in s])
                self.assertEqual(self.server.steps, [])

    def test_one_layer_of_three(self) -> None:
        def make(whole: bool) -> Any:
            model = bare(Looped(3))
            model.layers[1].compile(backend="eager", fullgraph=whole)
            return model, model

        if not hasattr(torch.nn.Module, "compile"):
            self.skipTest("torch has no Module.compile")
        lines = self.compared(make, True)
        self.assertEqual(len([s for s in lines if "1 of 3 connections" in s]), 1)
        self.assertEqual(self.server.steps[-1].order, ["layers.0.hc", "layers.2.hc"])

    def test_nothing_is_said_where_nothing_is_compiled(self) -> None:
        def make(whole: bool) -> Any:
            model = bare(Looped(3))
            return model, model

        self.assertFalse([s for s in self.compared(make, True) if "compile" in s])


if __name__ == "__main__":
    unittest.main()
