"""Steps that are not sent (every=, a number that comes again): what ran in them is in no step that is."""

from __future__ import annotations

import unittest
from typing import Any, Optional

import numpy as np
import torch

from gainwatch.guard import Faults
from gainwatch.sampling.state import Sampler
from tests.case import Case
from tests.models import TOKENS, expected, model_of, tokens_of

S = 8


class Unread(Case):
    def sent(self, numbers: list[Optional[int]], every: int, compiled: bool) -> dict[int, int]:
        """Of each step that was sent, the batch of which its matrices are, at its tokens."""
        torch._dynamo.reset()
        self.server.forget()
        model: Any = model_of("deepseek", "mhc")
        batches = [expected(model, tokens_of(i)) for i in range(len(numbers))]
        call = torch.compile(model, backend="eager") if compiled else model
        with self.watch(model, every=every, tokens=S) as monitor:
            for i, number in enumerate(numbers):
                call(tokens_of(i)).sum().backward()
                monitor.step(step=number)
        found = {}
        for body in self.server.steps:
            at = list(Sampler(S, 1, Faults(), step=body.step).positions(TOKENS))
            found[body.step] = next(
                i
                for i, batch in enumerate(batches)
                if all(
                    np.allclose(body.tensors[name], h[at], atol=2e-5)
                    for name, h in zip(body.order, batch)
                )
            )
        return found

    def test_every_second_step_is_of_its_own_batch(self) -> None:
        for compiled in (False, True):
            with self.subTest(compiled=compiled):
                self.assertEqual(self.sent([None] * 5, 2, compiled), {1: 0, 3: 2, 5: 4})

    def test_a_number_that_comes_again_leaves_nothing_for_the_next_step(self) -> None:
        for compiled in (False, True):
            with self.subTest(compiled=compiled):
                self.assertEqual(self.sent([1, 1, 2, 2, 3], 1, compiled), {1: 0, 2: 2, 3: 4})

    def test_every_counts_steps_and_no_micro_batches(self) -> None:
        for compiled in (False, True):
            with self.subTest(compiled=compiled):
                sent = self.sent([1, 1, 2, 2, 3, 3, 4, 4, 5], 2, compiled)
                self.assertEqual(sent, {1: 0, 3: 4, 5: 8})


if __name__ == "__main__":
    unittest.main()
