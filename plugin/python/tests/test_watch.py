"""What `watch` takes, what it says, and more than one monitor."""

from __future__ import annotations

import copy
import logging
import unittest
from typing import Any

import numpy as np
import torch
from torch import nn

import gainwatch
from tests.case import Case
from tests.models import model_of, tokens_of, train


class Watching(Case):
    """What `watch` takes, and more than one of it."""

    def test_wrong_arguments_are_named(self) -> None:
        model = model_of("deepseek", "hc", 1)
        wrong: dict[str, Any] = {
            "tokens": 0, "every": 0.5, "stage": 1, "rank": 2, "drain_seconds": -1, "orientation": "row", "kind": "free", "bounded": "both",
            "run": "a b", "key": "short", "attempt": "", "url": "localhost:9464", "matcher": 3, "memory_limit": True, "replica": -1,
        }  # fmt: skip
        del wrong["attempt"]  # empty: not given
        for name, value in wrong.items():
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, f"^{name}: "):
                self.watch(model, **{name: value})
        with self.assertRaisesRegex(ValueError, "^lr: no such option .*given float"):
            self.watch(model, lr=0.5)
        with self.assertRaisesRegex(ValueError, "^model: must be a torch.nn.Module"):
            gainwatch.watch({})

    def test_more_streams_than_32_are_refused_at_once_and_nothing_is_left(self) -> None:
        class Wide(nn.Module):
            def __init__(self, n: int) -> None:
                super().__init__()
                self.hc_mult = n
                self.fn = nn.Parameter(torch.zeros((2 + n) * n, n * 2))
                self.base = nn.Parameter(torch.zeros((2 + n) * n))
                self.scale = nn.Parameter(torch.ones(3))

            def forward(self, x: torch.Tensor) -> Any:
                return x, x, x

        self.watch(Wide(32)).close()
        with self.assertRaisesRegex(ValueError, "1 to 32 streams .given 33 in "):
            self.watch(Wide(33))
        self.assertEqual([name for name in vars(Wide(33)) if "gainwatch" in name], [])

    def test_a_baseline_without_connections_is_watched(self) -> None:
        model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        with self.watch(model, optimizer=torch.optim.SGD(model.parameters(), 0.5)) as monitor:
            for step in range(3):
                monitor.step(model(torch.ones(2, 4)).sum(), gradient_norm=1.5)
        self.assertEqual([s.order for s in self.server.steps], [[], [], []])
        self.assertEqual(self.server.steps[0].metadata["gradient_norm"], "1.5")

    def test_a_second_monitor_goes_on_with_the_model(self) -> None:
        model = model_of("lucidrains", "hc", 1)
        one = self.watch(model, run="one")
        train(model, one, 2)
        two = self.watch(model, run="two")
        train(model, two, 3)
        one.close()
        train(model, two, 3)
        two.close()
        self.assertEqual((one.counters["acknowledged"], two.counters["acknowledged"]), (2, 6))

    def test_two_models_of_the_same_classes_do_not_meet(self) -> None:
        a, b = model_of("lucidrains", "hc", 1), model_of("lucidrains", "hc", 1, seed=1)
        one, two = self.watch(a, run="one"), self.watch(b, run="two")
        for _ in range(2):
            train(a, one), train(b, two)
        one.close()
        train(b, two)
        two.close()
        self.assertEqual((one.counters["acknowledged"], two.counters["acknowledged"]), (2, 3))

    def test_a_connection_that_is_replaced_while_watched_is_not_taken_for_another(self) -> None:
        model = model_of("deepseek", "hc")
        with self.watch(model) as monitor:
            train(model, monitor, 2)
            model.layers["1"] = copy.deepcopy(model.layers["1"])
            train(model, monitor, 2)
        self.assertEqual(len(self.server.steps), 4)
        last = self.server.steps[-1]
        # it does not run
        np.testing.assert_allclose(last.tensors["layers.1.attn"].squeeze(), np.eye(4))

    def test_a_monitor_whose_model_is_another_s_says_nothing_of_it(self) -> None:
        model = model_of("deepseek", "hc", 1)
        first = self.watch(model, run="first", attempt="first")
        train(model, first, 1)
        second = self.watch(model, run="second", attempt="second")
        for step in range(2):
            model(tokens_of(step))
            first.step()
            second.step()
        first.close()
        second.close()
        self.assertEqual(
            sorted((body.metadata["attempt"], body.step) for body in self.server.steps),
            [("first", 1), ("second", 1), ("second", 2)],
        )

    def test_nothing_seen_is_said(self) -> None:
        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        for which in ("eval", "copy"):
            model = model_of("deepseek", "hc", 1)
            trained = model.eval() if which == "eval" else copy.deepcopy(model)
            with (
                self.subTest(which=which),
                self.assertLogs("gainwatch", "WARNING") as logs,
                self.watch(model) as monitor,
            ):
                train(trained, monitor, 10)
            self.assertIn("no connection ran", "\n".join(logs.output))

    def test_what_cannot_be_read_of_many_layers_is_one_line(self) -> None:
        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        model = model_of("deepseek", "hc", 3)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            wide = torch.zeros(33, 33)
            with self.watch(
                model, matcher=lambda name, m: wide if name.count(".") == 1 else None
            ) as monitor:
                train(model, monitor, 6)
        said = logs.output
        self.assertEqual(len(said), 2, said)
        self.assertIn("layers.0 … layers.2 (3): its mapping could not be read", said[0])
        self.assertIn("n = 1 to 32 (given [33, 33])", said[0])
        self.assertIn("nothing is sent: in the last 3 steps the mapping of no", said[1])
        self.assertEqual(monitor.counters["errors"], 18)

    def test_a_matcher_that_names_nothing_is_said(self) -> None:
        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        model = model_of("deepseek", "hc", 1)
        with (
            self.assertLogs("gainwatch", "WARNING") as logs,
            self.watch(model, matcher=lambda name, module: None) as monitor,
        ):
            train(model, monitor, 4)
        self.assertEqual(len(logs.output), 1)
        self.assertIn("or the matcher named none", logs.output[0])

    def test_with_everything_well_one_line_says_what_was_found_and_where_the_page_is(self) -> None:
        logging.getLogger("gainwatch").setLevel(logging.INFO)
        with self.assertLogs("gainwatch", "INFO") as logs:
            self.watch(model_of("deepseek", "hc", 1), run="well").close()
        self.assertEqual(len(logs.output), 1)
        self.assertIn("2 connections (layers.0.attn, layers.0.ffn)", logs.output[0])
        self.assertIn(f"{self.server.url}/#run=well", logs.output[0])

    def test_faults_of_our_own_cost_no_step_of_the_training(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        for tag in (module.__dict__.get("_gainwatch") for module in model.modules()):
            if tag is not None:
                tag.parts = None
        losses = train(model, monitor, 30)
        monitor.close()
        self.assertEqual(losses, train(model_of("deepseek", "hc", 1), None, 30))
        self.assertGreater(monitor.counters["errors"], 0)


if __name__ == "__main__":
    unittest.main()
