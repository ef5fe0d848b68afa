"""That what looks like a connection can be run, and that enough of transformers can be built to
look for false matches."""

from __future__ import annotations

import unittest
from typing import Any

import torch
from torch import nn

from .standins.every_transformers import every_transformers_class
from .standins.lookalikes import lookalikes
from .standins.packages import missing


class TestLookalikes(unittest.TestCase):
    def test_each_runs(self) -> None:
        made = lookalikes()
        self.assertGreaterEqual(len(made), 15)
        self.assertEqual(len({one.name for one in made}), len(made))
        for one in made:
            with self.subTest(one.name):
                module = one.make(4, 16)
                self.assertIsInstance(module, nn.Module)
                self.assertTrue(tensors(one.run(module, 4, 16)))


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in it."""
    if isinstance(value, torch.Tensor):
        return [value]
    values = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, (tuple, list))
        else ()
    )
    return [tensor for one in values for tensor in tensors(one)]


@unittest.skipIf(missing("transformers"), "transformers is not installed")
class TestEveryKind(unittest.TestCase):
    def test_the_first_can_be_built_on_the_meta_device(self) -> None:
        """The whole list is looked over by hand and by the test of false matches."""
        built = [one for one in every_transformers_class(0, 12)]
        self.assertEqual(len(built), 12)
        for one in built:
            self.assertNotEqual(one.model is None, one.reason == "", one.kind)
            if one.model is not None:
                self.assertTrue(all(p.device.type == "meta" for p in one.model.parameters()))
        self.assertGreater(sum(one.model is not None for one in built), 8)


if __name__ == "__main__":
    unittest.main()
