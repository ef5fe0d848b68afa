"""That no adapter takes what is no connection, and that no two take the same module.

python -m tests.adapters.test_no_false_match FIRST LAST    looks over transformers' kinds of model from FIRST to LAST, and prints the counts
"""

from __future__ import annotations

import re
import sys
import unittest
from collections import Counter
from typing import Any

import torch

from gainwatch import adapters
from gainwatch.adapters import registry
from gainwatch.guard import Faults

from ..implementations import implementations
from ..standins.every_transformers import every_transformers_class
from ..standins.lookalikes import lookalikes
from ..standins.packages import missing
from .sampled import watched

# The only kinds of transformers 5.24 that have connections.
KINDS = {
    "deepseek_v4", "glm5_next", "glm5_next_text", "hy_v4", "hy_v4_text", "hy_v4_vl", "hy_v4_vl_text", "qwen4_exp", "qwen4_exp_text",
}  # fmt: skip
CLASSES = r"(DeepseekV4|Glm5NextText|HYV4\w*)HyperConnection|Qwen4ExpTextGatedResidual"


def claims(module: Any) -> list[str]:
    """The adapters that know a module. @raises what an adapter raises"""
    return [one.name for one in adapters.ALL if tuple(one.recognise(module))]


class TestNoFalseMatch(unittest.TestCase):
    def test_no_two_adapters_take_the_same_module(self) -> None:
        for entry in implementations():
            if not entry.available():
                for name, module in entry.make(4, 32).named_modules():
                    with self.subTest(entry.name, module=name):
                        self.assertLessEqual(len(claims(module)), 1)

    def test_nothing_is_taken_of_lookalikes(self) -> None:
        for one in lookalikes():
            module = one.make(4, 16).train()
            with self.subTest(one.name), watched(module) as watch:
                one.run(module, 4, 16)
                self.assertEqual([taken.name for taken in watch.take()], [])

    def test_nothing_is_taken_of_lookalikes_in_a_compiled_graph(self) -> None:
        for one in lookalikes():
            if one.like != "DeepseekV4HyperConnection":
                continue
            module = one.make(4, 16).train()
            with self.subTest(one.name), watched(module) as watch:
                torch._dynamo.reset()
                compiled: Any = torch.compile(module, backend="eager", fullgraph=True)
                one.run(compiled, 4, 16)
                self.assertEqual([taken.name for taken in watch.take()], [])

    @unittest.skipIf(missing("transformers"), "transformers is not installed")
    def test_some_kinds_of_transformers(self) -> None:
        counts = look_over(0, 12)
        self.assertGreater(counts["built"], 8)
        self.assertGreater(counts["modules"], 400)


def look_over(first: int, last: int) -> Counter[str]:
    """Kinds, those that were built, modules, connections. @raises AssertionError naming a module that is taken and is none, or a kind of
    which too few are."""
    counts: Counter[str] = Counter()
    for built in every_transformers_class(first, last):
        counts["kinds"] += 1
        if built.model is None:
            print(f"  {built.kind}: not built: {built.reason}")
            continue
        counts["built"] += 1
        found = 0
        for name, module in built.model.named_modules():
            counts["modules"] += 1
            known = claims(module)
            assert not known or re.fullmatch(CLASSES, type(module).__name__), (
                f"{built.kind}: {name} is taken by {known}"
            )
            assert len(known) <= 1, f"{built.kind}: {name} is taken by {known}"
            one = registry.recognise(name, module, adapters.ALL, Faults())
            found += len(one.found) if one else 0
        counts["connections"] += found
        if found:
            print(f"  {built.kind} ({built.name}): {found} connections")
        assert (found > 0) == (built.kind in KINDS), f"{built.kind}: {found} connections"
    return counts


if __name__ == "__main__":
    bounds = [int(argument) for argument in sys.argv[1:3]]
    print(dict(look_over(*bounds)))
