"""What a monitor is sent of lucidrains' connections in four versions, and of Megatron's both ways: whole loops, with their self-check."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import torch
from torch import nn

import gainwatch
from tests.models import expected, model_of, tokens_of, train
from tests.support import Body, Server

from ..standins import megatron
from ..standins.base import Stack
from .sampled import quiet
from .versions import VERSIONS, version

UNMIXED = ("0.1.15", "0.3.0")


class Sent(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        quiet(self)
        self.server = Server()
        self.addCleanup(self.server.close)

    def watch(self, model: nn.Module, **options: Any) -> gainwatch.Monitor:
        monitor = gainwatch.watch(model, **{"url": self.server.url, "run": "test", **options})
        self.addCleanup(monitor.close)
        return monitor

    def check(self, number: str, kind: str) -> None:
        model = model_of("lucidrains", kind)
        wanted = None if number in UNMIXED else expected(model, tokens_of())
        self.server.forget()
        with self.watch(model, tokens=10) as monitor:
            train(model, monitor)
        body: Body = self.server.steps[0]
        self.assertEqual(body.order, [f"layers.{i}" for i in range(4)])
        self.assertEqual(monitor.counters["errors"], 0)
        if wanted is None:
            self.assertEqual(self.server.puts[0]["kinds"], ["identity"] * 4)
            for name in body.order:
                np.testing.assert_array_equal(body.tensors[name], np.eye(4))
            return
        self.assertEqual(self.server.puts[0]["kinds"], [kind] * 4)
        for name, want in zip(body.order, wanted):
            np.testing.assert_allclose(
                body.tensors[name], want[body.listed("tokens")], atol=2e-5, rtol=2e-5
            )
        self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))

    def test_every_version(self) -> None:
        for number in VERSIONS:
            for kind in ("hc", "mhc"):
                if (number, kind) != ("0.1.15", "mhc"):
                    with self.subTest(version=number, kind=kind), version(number):
                        self.check(number, kind)

    def test_that_h_res_is_not_applied_is_said_once(self) -> None:
        with version("0.3.0"), self.assertLogs("gainwatch", "WARNING") as logs:
            model = model_of("lucidrains", "hc")
            with self.watch(model) as monitor:
                train(model, monitor, 3)
        said = [line for line in logs.output if "does not apply it" in line]
        self.assertEqual(len(said), 1)
        self.assertIn(
            "layers.0: works H_res out and does not apply it (hyper-connections 0.1.7 to 0.3.9)",
            said[0],
        )

    def test_streams_reduced_between_layers_are_seen(self) -> None:
        with version("0.4.11"):
            model = model_of("lucidrains", "hc", 3)
            for layer in model.layers.values():
                layer.register_forward_pre_hook(
                    lambda m, args: (args[0].unflatten(0, (-1, 4)).sum(1).repeat_interleave(4, 0),)
                )
            with self.watch(model) as monitor:
                train(model, monitor, 10, torch.optim.Adam(model.parameters(), 1e-3))
        self.assertEqual(monitor.streams, "collapsed")

    def test_megatron_both_ways(self) -> None:
        for kind, transposed in (
            (megatron.HyperConnectionModule, False),
            (megatron.TransposedModule, True),
        ):
            torch.manual_seed(0)
            model, x = Stack([megatron.Layer(4, 16, kind) for _ in range(2)]), torch.randn(6, 2, 64)
            self.server.forget()
            with self.watch(model, run=f"m{transposed}") as monitor:
                monitor.step(model(x).sum())
            first: Any = model.layers[0].get_submodule("self_attention_hyper_connection")
            h = first.compute_mappings(x)[2].detach().flatten(0, 1).numpy()
            sent = self.server.steps[0].tensors["layers.0.self_attention_hyper_connection"]
            np.testing.assert_allclose(sent, h.transpose(0, 2, 1) if transposed else h, atol=1e-6)
            self.assertEqual(monitor.orientation, "as given")

    def test_case_23_batch_items_are_no_streams(self) -> None:
        """mHCv2's streams have an axis of their own: [b, s, n, d]."""
        with version("0.4.11") as load:
            torch.manual_seed(0)
            kind = load("mHCv2").ManifoldConstrainedHyperConnections
            model = nn.ModuleList(
                [kind(4, dim=16, branch=nn.Linear(16, 16), layer_index=i) for i in range(3)]
            )
            for parameter in (module.get_parameter("static_alpha") for module in model):
                nn.init.normal_(parameter)
            with self.watch(model) as monitor:
                for _ in range(10):
                    x = torch.randn(2, 6, 4, 16)
                    for module in model:
                        x = module(x)
                    monitor.step(x.square().mean().detach())
        self.assertEqual((len(self.server.steps), monitor.counters["errors"]), (10, 0))
        self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))


if __name__ == "__main__":
    unittest.main()
