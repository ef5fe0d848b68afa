"""What is not held: tensors of past steps and graphs while a model trains, model and optimizer once its monitor is closed or gone."""

from __future__ import annotations

import gc
import threading
import unittest
import weakref
from typing import Any

import torch

from tests.case import Case
from tests.models import model_of, train
from tests.support import wait


def tensors() -> list[torch.Tensor]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]


class Release(Case):
    def test_a_closed_monitor_holds_neither_model_nor_optimizer(self) -> None:
        for compiled in (False, True):
            with self.subTest(compiled=compiled):
                torch._dynamo.reset()
                model = model_of("deepseek", "mhc")
                optimizer = torch.optim.SGD(model.parameters(), 0.01)
                call: Any = torch.compile(model, backend="eager") if compiled else None
                monitor = self.watch(model, optimizer=optimizer)
                train(model, monitor, 3, optimizer, call)
                monitor.close()
                held = weakref.ref(model), weakref.ref(optimizer)
                del model, optimizer, call
                torch._dynamo.reset()
                gc.collect()
                self.assertEqual([one() for one in held], [None, None])
                self.assertEqual(monitor.counters["acknowledged"], 3)

    def test_one_that_nobody_holds_and_nobody_closed_ends_by_itself(self) -> None:
        import gainwatch

        model = model_of("deepseek", "mhc")
        monitor = gainwatch.watch(model, url=self.server.url, run="test")
        train(model, monitor, 3)
        gone = weakref.ref(model)
        del monitor
        self.assertNotIn("_gainwatch", vars(next(iter(model.layers.values())).attn))
        del model
        gc.collect()
        self.assertIsNone(gone())
        wait(lambda: any(put["state"] == "closed" for put in self.server.puts))
        self.assertEqual([body.step for body in self.server.steps], [1, 2, 3])
        self.assertEqual(self.server.puts[-1]["outcome"], "unknown")
        wait(lambda: not [t for t in threading.enumerate() if t.name.startswith("gainwatch")])

    def test_200_steps_hold_no_more_than_20(self) -> None:
        model = model_of("deepseek", "mhc", 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        with self.watch(model, optimizer=optimizer) as monitor:
            counts, ran = [], 0
            for steps in (20, 180):
                train(model, monitor, steps, optimizer)
                ran += steps
                wait(lambda: monitor.counters["acknowledged"] == ran)
                kept = tensors()
                counts.append((len(kept), [t for t in kept if t.grad_fn is not None]))
                del kept
        self.assertLessEqual(counts[1][0] - counts[0][0], 4)
        self.assertEqual([graphs for _, graphs in counts], [[], []])


if __name__ == "__main__":
    unittest.main()
