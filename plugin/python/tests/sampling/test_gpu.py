"""On a GPU: nothing waits for the device, and what is under way is not written over. GAINWATCH_DEVICE=cuda."""

from __future__ import annotations

import unittest

import numpy as np
import torch
import torch.nn.functional as F

from tests.case import Case
from tests.models import DEVICE, model_of, tokens_of
from tests.support import wait


@unittest.skipUnless(DEVICE == "cuda", "needs a GPU and GAINWATCH_DEVICE=cuda")
class Gpu(Case):
    def test_nothing_waits_for_the_device(self) -> None:
        """PyTorch raises at whatever makes the host wait for a stream; the steps are those without a self-check."""
        for package in ("lucidrains", "deepseek"):
            self.server.steps.clear()
            model = model_of(package, "hc")
            monitor = self.watch(model, run=package)
            x = tokens_of()

            def steps(count: int) -> None:
                for _ in range(count):
                    loss = F.cross_entropy(model(x).flatten(0, 1), x.flatten())
                    loss.backward()
                    monitor.step(loss, gradient_norm=loss)

            steps(17)
            wait(lambda: len(self.server.steps) == 17)
            torch.cuda.set_sync_debug_mode("error")
            try:
                steps(10)
                wait(lambda: len(self.server.steps) == 27)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            self.assertEqual(monitor.counters["errors"], 0)
            self.assertGreater(self.server.steps[-1].listed("memory")["allocated"], 0)
            monitor.close()

    def test_what_is_copied_is_not_written_over(self) -> None:
        """Many steps are under way before the first is sent: each keeps its own."""
        model = model_of("deepseek", "hc")
        with self.watch(model, tokens=24) as monitor, torch.no_grad():
            for step in range(40):
                for layer in model.layers.values():
                    layer.hc_attn_base.fill_(float(step))
                    layer.hc_attn_scale.zero_()
                model(tokens_of())
                monitor.step()
        found = [float(np.mean(body.tensors[body.order[0]])) for body in self.server.steps]
        self.assertEqual(found, [float(step) for step in range(40)])


if __name__ == "__main__":
    unittest.main()
