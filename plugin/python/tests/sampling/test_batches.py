"""Batches without tokens, and a default device of the training's own: nothing is counted as a fault, and the rest is sent."""

from __future__ import annotations

import unittest

import torch
from torch.fx.experimental import symbolic_shapes

from gainwatch.sampling.passes import TRACEABLE
from tests.case import Case
from tests.sampling.looped import D, Looped, N, bare


class Batches(Case):
    def trained(self, sizes: list[int], compiled: bool = False) -> list[int]:
        """Steps that came, of batches of these sizes."""
        torch._dynamo.reset()
        model = Looped(2)
        for layer in model.layers if compiled else ():
            layer.compile(backend="aot_eager")
        with self.watch(model) as monitor:
            for size in sizes:
                model(torch.ones(size, 6, N, D, device="cpu", requires_grad=True)).sum().backward()
                monitor.step(1.0)
        self.assertEqual(monitor.counters["errors"], 0)
        return self.server.arrived()

    def test_a_batch_without_tokens(self) -> None:
        self.assertEqual(self.trained([2, 0, 3, 0]), [1, 3])

    @unittest.skipUnless(TRACEABLE, "torch.compile cannot trace a watched method")
    def test_a_batch_without_tokens_in_a_compiled_graph(self) -> None:
        self.assertEqual(self.trained([2, 0, 3], compiled=True), [1, 3])

    @unittest.skipUnless(
        hasattr(symbolic_shapes, "guard_or_false"), "sizes of the data cannot be asked of"
    )
    def test_a_batch_whose_size_only_the_data_tell(self) -> None:
        torch._dynamo.reset()
        model = bare(Looped(2))
        with self.watch(model) as monitor:
            x = torch.ones(3, 6, N, D)
            torch._dynamo.decorators.mark_unbacked(x, 0)
            torch.compile(model, backend="eager", fullgraph=True)(x).sum().backward()
            monitor.step(1.0)
        self.assertEqual(self.server.arrived(), [1])

    def test_another_default_device(self) -> None:
        model = Looped(2)
        torch.set_default_device("meta")
        self.addCleanup(torch.set_default_device, None)
        with self.watch(model) as monitor:
            model(torch.ones(2, 64, N, D, device="cpu"))
            monitor.step(1.0)
        self.assertEqual((monitor.counters["errors"], self.server.arrived()), (0, [1]))


if __name__ == "__main__":
    unittest.main()
