"""The short way gives what the adapter gives: mappings that change their place, shape or kind from call to call are never mixed up."""

from __future__ import annotations

import unittest
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from tests.case import Case
from tests.models import expected, model_of, tokens_of, train

N, D = 4, 8


class Moody(nn.Module):
    """DeepSeek's structure; the order of what it returns is as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.hc_mult, self.order = N, (0, 1, 2)
        self.fn = nn.Parameter(torch.randn((2 + N) * N, N * D) * 0.1)
        self.base = nn.Parameter(torch.randn((2 + N) * N))
        self.scale = nn.Parameter(torch.ones(3))

    def comb(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x.flatten(2), self.fn[2 * N :]).unflatten(-1, (N, N))

    def forward(self, x: Tensor) -> Any:
        out = (x.mean(-1), self.comb(x), x.sum(2))
        return tuple(out[i] for i in self.order)


class Quick(Case):
    def test_the_place_of_the_mapping_may_change(self) -> None:
        model = nn.Sequential(Moody())
        monitor, wanted = self.watch(model), []
        for step, order in enumerate(((0, 1, 2), (0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 1, 2))):
            cast(Any, model[0]).order = order
            x = torch.randn(1 + step % 2, 5, N, D)
            model(x)
            wanted.append(cast(Any, model[0]).comb(x).detach().flatten(0, 1).mT.numpy())
            monitor.step(1.0)
        monitor.close()
        self.assertEqual(monitor.counters["errors"], 0)
        for body, want in zip(self.server.steps, wanted):
            np.testing.assert_allclose(body.tensors["0"], want[body.listed("tokens")], rtol=1e-6)
        self.assertEqual(len(self.server.steps), 5)

    def test_two_connections_of_a_module_are_told_apart_at_every_step(self) -> None:
        model = model_of("deepseek", "mhc")
        optimizer, wanted = torch.optim.SGD(model.parameters(), 0.5), []
        monitor = self.watch(model)
        for step in range(9):
            wanted.append(expected(model, tokens_of()))
            train(model, monitor, 1, optimizer)
            if step == 4:
                layer = model.layers["0"]  # the same parameters in other objects
                layer.hc_attn_fn = nn.Parameter(layer.hc_attn_fn.detach().clone())
        monitor.close()
        for body, want in zip(self.server.steps, wanted):
            self.assert_equal(body, want)
        self.assertEqual((monitor.counters["errors"], len(self.server.steps)), (0, 9))


if __name__ == "__main__":
    unittest.main()
