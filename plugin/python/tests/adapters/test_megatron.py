"""Megatron's family: how h_res is applied is tried without touching the module, on whatever device its weights are."""

from __future__ import annotations

import copy
import unittest
from typing import Any

import torch
from torch import nn

from gainwatch.adapters import megatron, primus
from gainwatch.adapters.orientation import orientation

from ..standins import megatron as standins
from ..standins import megatron_variants as variants
from ..standins import nemo
from .sampled import quiet, watched

N, D = 4, 16


class Orientation(unittest.TestCase):
    def setUp(self) -> None:
        quiet(self)

    def test_main_is_as_it_is_and_dev_transposed(self) -> None:
        for kind, wanted in (
            (standins.HyperConnectionModule, "H"),
            (standins.TransposedModule, "comb"),
            (variants.FusedModule, "comb"),
            (variants.SinglePassModule, "comb"),
            (variants.Glm5NextHyperConnection, "comb"),
            (variants.HyperConnection, "comb"),
        ):
            for n in (2, 4, 32):
                (found,) = megatron.recognise(kind(n, D))
                self.assertEqual((found.stored, found.n), (wanted, n), kind.__name__)

    def test_primus_before_and_since(self) -> None:
        for kind, wanted in ((nemo.HyperMixer, "H"), (nemo.TransposedHyperMixer, "comb")):
            (found,) = primus.recognise(kind(hidden_size=D, hc_mult=N))
            self.assertEqual(found.stored, wanted)

    def test_looking_changes_nothing(self) -> None:
        module = standins.TransposedModule(N, D)
        before, random = copy.deepcopy(module.state_dict()), torch.get_rng_state()
        megatron.recognise(module)
        self.assertTrue(
            all(torch.equal(before[key], value) for key, value in module.state_dict().items())
        )
        self.assertTrue(torch.equal(torch.get_rng_state(), random))
        self.assertTrue(all(p.grad is None for p in module.parameters()))

    def test_weights_without_numbers_are_no_hindrance(self) -> None:
        with torch.device("meta"):
            module = standins.TransposedModule(N, D)
        (found,) = megatron.recognise(module)
        self.assertEqual(found.stored, "comb")

    def test_where_it_cannot_be_tried_it_is_taken_as_it_is(self) -> None:
        def fails(h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("a kernel for another device")

        self.assertEqual(orientation(N, D, torch.device("cpu"), fails), "H")
        self.assertEqual(orientation(N, D, torch.device("cpu"), lambda h, x: h @ x), "H")
        self.assertEqual(orientation(N, D, torch.device("cpu"), lambda h, x: h.mT @ x), "comb")
        self.assertEqual(orientation(1, D, torch.device("cpu"), lambda h, x: h.mT @ x), "H")


class Gates(unittest.TestCase):
    def test_gates_are_those_of_the_module(self) -> None:
        module = standins.TransposedModule(N, D)
        x = torch.randn(6, 2, N * D)
        seen: list[Any] = []
        read = megatron.read

        def note(call: Any) -> Any:
            seen.extend(read(call))
            return seen[-1:]

        adapter = copy.copy(megatron.adapter)
        object.__setattr__(adapter, "read", note)
        with watched(nn.ModuleList([module])) as watch:
            module.__dict__["_gainwatch"].adapter = adapter
            module(x)
            self.assertEqual(watch.faults.errors, 0)
        pre, post, res = module.compute_mappings(x)
        (one,) = seen
        self.assertTrue(
            torch.equal(one.pre, pre)
            and torch.equal(one.post, post)
            and torch.equal(one.mapping, res)
        )
        self.assertTrue(torch.equal(one.streams(), x.unflatten(-1, (N, D))))


if __name__ == "__main__":
    unittest.main()
