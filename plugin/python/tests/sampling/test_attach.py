"""Methods that are watched on their class, and functions in their file: what is left when that fails, or when somebody puts them back."""

from __future__ import annotations

import unittest
from typing import Any

import torch
from torch import nn

import gainwatch
from gainwatch.adapters import registry
from gainwatch.adapters.protocol import Site
from gainwatch.sampling import attach
from gainwatch.sampling.copy import Copier, values
from tests.case import Case
from tests.sampling.looped import D, Looped, Mix, N

BUILTIN = len  # a function that is not written in Python


def twice(x: Any) -> Any:
    return x * 2


class Own(nn.Module):
    def forward(self, x: Any) -> Any:
        return twice(x) * BUILTIN([1])


class Attach(Case):
    def test_what_fails_half_way_leaves_nothing(self) -> None:
        forward, function = Own.forward, twice
        with self.assertRaises(AttributeError):
            attach.attach(Own(), Site("forward", ("twice", "BUILTIN")))
        self.assertIs(Own.forward, forward)
        self.assertIs(twice, function)
        attach.attach(Own(), Site("forward", ("twice",)))()
        self.assertIs(Own.forward, forward)

    def test_what_cannot_be_watched_is_said_and_left_as_it_was(self) -> None:
        forward = Own.forward
        mine = gainwatch.Adapter(
            "mine",
            lambda module: [gainwatch.Found(4, "hc", "H")] if isinstance(module, Own) else [],
            lambda module: [Site("forward"), Site("no_such_method")],
            lambda call: (),
        )
        gainwatch.register(mine)
        self.addCleanup(registry._own.remove, mine)
        monitor = self.watch(nn.Sequential(Own()))
        self.assertIs(Own.forward, forward)
        monitor.close()

    def test_a_method_that_somebody_has_put_back_is_watched_again(self) -> None:
        original = Mix.forward
        model = Looped(1)
        first = self.watch(model)
        wrapper = Mix.forward
        Mix.forward = original  # type: ignore[method-assign]
        first.close()
        self.server.forget()
        with self.watch(model) as monitor:
            self.assertIs(Mix.forward, wrapper)
            model(torch.randn(1, 2, N, D))
            monitor.step()
        self.assertEqual(len(self.server.steps), 1)
        self.assertIs(Mix.forward, original)

    def test_layers_that_were_compiled_before_are_seen(self) -> None:
        torch._dynamo.reset()
        models = [Looped(2), Looped(2)]  # a graph of the first one would do for the other
        for model in models:
            for layer in model.layers:
                layer.compile(backend="eager")
            models[0](torch.randn(1, 2, N, D))
        with self.watch(models[1]) as monitor:
            models[1](torch.randn(1, 2, N, D))
            monitor.step()
        self.assertEqual([len(body.order) for body in self.server.steps], [2])

    def test_no_address_of_another_device_is_read(self) -> None:
        kept = values(Copier(), [torch.ones(3, device="meta")])
        with self.assertRaises(NotImplementedError):
            kept.take()  # meta has no values that could come to the processor


if __name__ == "__main__":
    unittest.main()
