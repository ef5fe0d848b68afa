"""A whole loop: `watch`, `step`, `close` with small language models, against a monitor that notes what it is sent."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch

from gainwatch.guard import Faults
from gainwatch.sampling.state import Sampler
from tests.case import Case
from tests.models import DEVICE, TOKENS, expected, model_of, tokens_of, train

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = str(ROOT / "test" / "e2e" / "pytorch" / "train.py")


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


if __name__ == "__main__":
    unittest.main()
