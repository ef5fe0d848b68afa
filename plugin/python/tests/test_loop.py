"""A whole loop: `watch`, `step`, `close` with small language models, against a monitor that notes what it is sent."""

from __future__ import annotations

import copy
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

import gainwatch
from gainwatch.guard import Faults
from gainwatch.sampling.state import Sampler
from tests.models import DEVICE, TOKENS, expected, model_of, tokens_of, train
from tests.support import Body, Server

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = str(ROOT / "test" / "e2e" / "pytorch" / "train.py")


class Case(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        self.server = Server()
        self.addCleanup(self.server.close)
        logging.getLogger("gainwatch").setLevel(logging.CRITICAL + 1)
        self.addCleanup(logging.getLogger("gainwatch").setLevel, logging.NOTSET)

    def watch(self, model: nn.Module, **options: Any) -> gainwatch.Monitor:
        monitor = gainwatch.watch(model, **{"url": self.server.url, "run": "test", **options})
        self.addCleanup(monitor.close)
        return monitor

    def assert_equal(self, body: Body, wanted: Any, tolerance: float = 2e-5) -> None:
        at = body.listed("tokens")
        self.assertEqual(len(body.order), len(wanted))
        for name, want in zip(body.order, wanted):
            np.testing.assert_allclose(body.tensors[name], want[at], atol=tolerance, rtol=tolerance)


class Loops(Case):
    def test_losses_are_those_of_an_unwatched_training(self) -> None:
        for package in ("lucidrains", "deepseek"):
            runs = []
            for watched in (False, True):
                model = model_of(package, "hc")
                monitor = self.watch(model, run=package) if watched else None
                runs.append(train(model, monitor, 8, torch.optim.Adam(model.parameters(), 1e-2)))
                if monitor:
                    monitor.close()
            self.assertEqual(*runs)

    def test_one_record_per_step_and_what_is_said_with_it(self) -> None:
        model = model_of("deepseek", "mhc")
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        monitor = self.watch(model, optimizer=optimizer, stage=1, stages=2, replica=3)
        losses = train(model, monitor, 3, optimizer)
        monitor.step(float("nan"), gradient_norm=torch.tensor(2.0))  # no forward: nothing to send
        monitor.close()
        self.assertEqual([s.step for s in self.server.steps], [1, 2, 3])
        metadata = self.server.steps[2].metadata
        self.assertEqual(float(metadata["loss"]), losses[2])
        said = {
            "version": "1",
            "rank": "0",
            "world_size": "1",
            "stage": "1",
            "stages": "2",
            "replica": "3",
            "learning_rate": "0.01",
        }
        self.assertEqual({key: metadata[key] for key in said}, said)
        self.assertGreater(float(metadata["overhead_seconds"]), 0)
        self.assertEqual({p["state"] for p in self.server.puts}, {"open", "closed"})
        self.assertEqual(self.server.puts[-1]["outcome"], "completed")
        self.assertEqual({s.metadata["attempt"] for s in self.server.steps}, {monitor.attempt})
        memory = self.server.steps[0].tensors["@memory"]
        self.assertEqual((memory.shape, memory[0, 0]), ((5, 4), 4.0 * (24 * 64 + 24 + 3)))
        self.assertEqual(len(self.server.steps[2].listed("tokens")), TOKENS)

    def test_accumulation_keeps_the_first_micro_batch_and_validation_is_left_out(self) -> None:
        model = model_of("deepseek", "hc")
        wanted = expected(model, tokens_of(0))
        with self.watch(model) as monitor:
            model.eval()
            model(tokens_of(5))
            model.train()
            for micro in range(3):
                loss = model(tokens_of(micro)).sum()
                loss.backward()
            monitor.step(loss)
        self.assertEqual(len(self.server.steps), 1)
        self.assert_equal(self.server.steps[0], wanted)

    def test_a_pass_without_gradients_is_kept_only_where_there_is_no_other(self) -> None:
        model = model_of("deepseek", "hc")
        wanted = expected(model, tokens_of(0)), expected(model, tokens_of(7))
        with self.watch(model) as monitor:
            with torch.no_grad():
                model(tokens_of(7))  # a dry run, a rollout
            model(tokens_of(0)).sum().backward()
            monitor.step()
            with torch.no_grad():
                model(tokens_of(7))
            monitor.step()
        for body, want in zip(self.server.steps, wanted):
            self.assert_equal(body, want)
        self.assertEqual(len(self.server.steps), 2)

    def test_a_part_in_evaluation_mode_of_a_model_in_training_counts(self) -> None:
        model = model_of("deepseek", "hc")
        wanted = expected(model, tokens_of(0))
        model.layers["0"].eval()  # frozen
        with self.watch(model) as monitor:
            model(tokens_of(0)).sum().backward()
            monitor.step()
        self.assert_equal(self.server.steps[0], wanted)

    def test_a_model_without_values_is_left_out(self) -> None:
        model = model_of("deepseek", "hc")
        with self.watch(model) as monitor:
            model.to("meta")(tokens_of(0).to("meta"))
            monitor.step()
        self.assertEqual((monitor.counters["errors"], len(self.server.steps)), (0, 0))

    def test_autocast(self) -> None:
        model = model_of("lucidrains", "hc")
        wanted = expected(model, tokens_of())
        with self.watch(model) as monitor, torch.autocast(DEVICE, torch.bfloat16):
            train(model, monitor)
        self.assert_equal(self.server.steps[0], wanted, 0.1)

    def test_a_compiled_model_is_sampled_at_the_positions_of_the_step(self) -> None:
        for package, kind in (("deepseek", "mhc"), ("lucidrains", "hc"), ("lucidrains", "mhc")):
            with self.subTest(package=package, kind=kind):
                torch._dynamo.reset()
                model = model_of(package, kind)
                wanted = expected(model, tokens_of()), expected(model, tokens_of(1))
                self.server.steps.clear()
                with self.watch(model, run=f"{package}-{kind}", tokens=10) as monitor:
                    train(
                        model,
                        monitor,
                        2,
                        None,
                        torch.compile(model, backend="eager", fullgraph=True),
                    )
                self.assertEqual((monitor.counters["errors"], len(self.server.steps)), (0, 2))
                for step, want in zip(self.server.steps, wanted):
                    at = list(Sampler(10, 1, Faults(), step=step.step).positions(TOKENS))
                    for name, h in zip(step.order, want):
                        np.testing.assert_allclose(step.tensors[name], h[at], atol=2e-5)

    def test_what_is_sent_is_what_the_training_dumped(self) -> None:
        for package, kind in (
            ("lucidrains", "hc"),
            ("lucidrains", "mhc"),
            ("deepseek", "hc"),
            ("deepseek", "mhc"),
        ):
            with self.subTest(package=package, kind=kind), tempfile.TemporaryDirectory() as folder:
                self.server.steps.clear()
                given = f"--package {package} --kind {kind} --steps 4 --layers 3 --lr 0.03 --url {self.server.url} --dump {folder}"
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
                command = [sys.executable, SCRIPT, *given.split()]
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=120, env=environment
                )
                self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                for step in self.server.steps:
                    dumped = np.load(pathlib.Path(folder) / f"step-{step.step}.rank0.npy")
                    np.testing.assert_allclose(
                        np.stack([step.tensors[name] for name in step.order]), dumped, atol=5e-5
                    )
                self.assertEqual(len(self.server.steps), 4)

    def test_two_ranks_send_what_one_process_does(self) -> None:
        torchrun = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "--master-port",
        ]
        ways = {
            "one": [sys.executable, SCRIPT],
            "data": [*torchrun, str(29500 + os.getpid() % 400), SCRIPT],
            "stages": [*torchrun, str(29900 + os.getpid() % 400), SCRIPT, "--stage-parallel"],
        }
        given = f"--package deepseek --steps 3 --layers 2 --tokens 128 --url {self.server.url}"
        runs = {}
        for name, command in ways.items():
            self.server.steps.clear()
            done = subprocess.run(
                [*command, *given.split()], capture_output=True, text=True, timeout=120
            )
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            self.assertEqual(len({s.metadata["attempt"] for s in self.server.steps}), 1)
            runs[name] = {(s.step, s.metadata["rank"]): s for s in self.server.steps}
        self.assertEqual(sorted(runs["data"]), [(n, r) for n in (1, 2, 3) for r in "01"])
        self.assertEqual([runs["stages"][(1, r)].metadata["stage"] for r in "01"], ["0", "1"])
        for step in (1, 2, 3):
            one = runs["one"][(step, "0")]
            a, b = (runs["data"][(step, r)] for r in "01")
            c, d = (runs["stages"][(step, r)] for r in "01")
            self.assertEqual(c.order + d.order, one.order)
            self.assertEqual(float(c.metadata["loss"]), float(d.metadata["loss"]))
            mean = (float(a.metadata["loss"]) + float(b.metadata["loss"])) / 2
            self.assertAlmostEqual(mean, float(one.metadata["loss"]), places=4)
            for name in one.order:
                both = np.concatenate([a.tensors[name], b.tensors[name]])
                np.testing.assert_allclose(both, one.tensors[name], atol=2e-4)
                stage = c if name in c.order else d
                np.testing.assert_allclose(stage.tensors[name], one.tensors[name], atol=1e-5)


class Steps(Case):
    """Numbers of steps, and what is given with them."""

    def numbers(self, given: list[Any], **options: Any) -> list[tuple[int, str]]:
        model = model_of("deepseek", "hc", 1)
        with self.watch(model, attempt="abc", **options) as monitor:
            for number in given:
                model(tokens_of())
                monitor.step(step=number)
        self.assertEqual(monitor.counters["errors"], 0)
        return [(s.step, s.metadata["attempt"]) for s in self.server.steps]

    def test_a_number_that_comes_again_is_the_same_step(self) -> None:
        self.assertEqual(self.numbers([1, 1, 1, 2, 2, 3]), [(1, "abc"), (2, "abc"), (3, "abc")])

    def test_one_that_goes_back_begins_the_next_attempt(self) -> None:
        self.assertEqual(
            self.numbers([5, 6, 3, 4]), [(5, "abc"), (6, "abc"), (3, "abc.1"), (4, "abc.1")]
        )
        states = [(p["state"], p["attempt"]) for p in self.server.puts]
        self.assertEqual(
            [s for i, s in enumerate(states) if s not in states[:i]],
            [("open", "abc"), ("open", "abc.1"), ("closed", "abc.1")],
        )

    def test_the_first_one_may_be_0(self) -> None:
        self.assertEqual(self.numbers([0, 1, 2]), [(0, "abc"), (1, "abc"), (2, "abc")])

    def test_they_need_not_be_small_nor_follow_on_each_other(self) -> None:
        tokens = [4194304 * i for i in range(1, 5)]
        self.assertEqual(self.numbers(tokens), [(t, "abc") for t in tokens])

    def test_numbers_of_numpy_and_torch(self) -> None:
        self.assertEqual(
            self.numbers([np.int64(3), torch.tensor(4), 5.0]), [(3, "abc"), (4, "abc"), (5, "abc")]
        )

    def test_what_is_no_number_is_counted_on(self) -> None:
        self.assertEqual(
            self.numbers([7, "eight", None, -3]), [(7, "abc"), (8, "abc"), (9, "abc"), (10, "abc")]
        )

    def test_every_third_step_whatever_its_number(self) -> None:
        found = self.numbers(list(range(100, 1100, 100)), every=3)
        self.assertEqual([step for step, _ in found], [100, 400, 700, 1000])

    def test_what_cannot_be_read_is_left_out(self) -> None:
        vector, table, odd = torch.ones(2), {"loss": 1.0}, object()
        for loss in (
            vector,
            table,
            odd,
            torch.tensor(1j),
            torch.empty(0),
            "high",
            torch.ones(1, device="meta"),
        ):
            with self.subTest(loss=type(loss).__name__):
                self.server.steps.clear()
                model = model_of("deepseek", "hc", 1)
                with self.watch(model) as monitor:
                    model(tokens_of())
                    monitor.step(loss, learning_rate=odd, gradient_norm=2.5)
                self.assertEqual(len(self.server.steps), 1)
                metadata = self.server.steps[0].metadata
                self.assertEqual(
                    (
                        metadata.get("loss"),
                        metadata.get("learning_rate"),
                        metadata["gradient_norm"],
                    ),
                    (None, None, "2.5"),
                )

    def test_the_rate_of_optimizers_in_any_wrapping(self) -> None:
        model = model_of("deepseek", "hc", 1)
        one = torch.optim.SGD(model.parameters(), 0.25)
        wrapped = SimpleNamespace(optimizer=one)
        groups = [{"params": [], "lr": torch.tensor(0.25)}]
        for given in (
            one,
            [one, torch.optim.Adam(model.parameters(), 1.0)],
            {"muon": one},
            wrapped,
            groups,
            (wrapped,),
        ):
            with self.subTest(given=type(given).__name__):
                self.server.steps.clear()
                with self.watch(model, optimizer=given) as monitor:
                    model(tokens_of())
                    monitor.step()
                self.assertEqual(self.server.steps[0].metadata["learning_rate"], "0.25")

    def test_an_optimizer_that_shows_no_rate_costs_no_step(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for given in ([], {}, object(), SimpleNamespace(param_groups=None), 7):
            with self.watch(model, optimizer=given) as monitor:
                model(tokens_of())
                monitor.step()
        self.assertEqual(len(self.server.steps), 5)

    def test_a_distributed_scalar_is_taken_where_it_is_whole(self) -> None:
        from torch.distributed import distributed_c10d
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import DTensor, Partial, Replicate

        model = model_of("deepseek", "hc", 1)
        torch.distributed.init_process_group(
            "gloo", rank=0, world_size=1, store=cast(Any, distributed_c10d).HashStore()
        )
        self.addCleanup(torch.distributed.destroy_process_group)
        mesh = init_device_mesh("cpu", (1,))
        with self.watch(model, rank=0, world_size=1) as monitor:
            for placement in (Replicate(), Partial()):
                model(tokens_of())
                monitor.step(gradient_norm=DTensor.from_local(torch.tensor(2.0), mesh, [placement]))
        self.assertEqual(
            [s.metadata.get("gradient_norm") for s in self.server.steps], ["2.0", None]
        )


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
        np.testing.assert_allclose(
            last.tensors["layers.1.attn"].squeeze(), np.eye(4)
        )  # it does not run

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
