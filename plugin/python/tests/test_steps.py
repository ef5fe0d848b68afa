"""Numbers of steps, and what is given with them."""

from __future__ import annotations

import unittest
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

from gainwatch import scalars
from tests.case import Case
from tests.models import model_of, tokens_of


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

    def test_one_that_the_monitor_does_not_take_is_counted_on(self) -> None:
        last = scalars.LAST_STEP
        given = [last - 2, last + 1, 2**64, 1e300]
        self.assertEqual(self.numbers(given[:2]), [(last - 2, "abc"), (last - 1, "abc")])
        self.server.forget()
        self.assertEqual(self.numbers(given[2:]), [(1, "abc"), (2, "abc")])

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
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import DTensor, Partial, Replicate

        model = model_of("deepseek", "hc", 1)
        torch.distributed.init_process_group(
            "gloo", rank=0, world_size=1, store=cast(Any, torch.distributed).HashStore()
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


if __name__ == "__main__":
    unittest.main()
