"""lucidrains' hyper-connections in four versions: each class and option, found and read right, against H solved for from the streams."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

import numpy as np
import torch
from torch import nn

from .sampled import quiet, watched
from .versions import VERSIONS, version

N, D, B = 4, 32, 2
HC, MHC, V2 = "hyper_connections", "manifold_constrained_hyper_connections", "mHCv2"
CHANNELS, BRANCHES, INPUTS = (
    f"{HC}_channel_first",
    f"{HC}_with_multi_branch_inputs",
    f"{HC}_with_multi_input_streams",
)
# modules whose H_res is not applied
UNMIXED = {
    "0.1.15": (HC, CHANNELS),
    "0.3.0": (HC, CHANNELS, MHC),
}

OWN = "GAINWATCH_OWN_PROCESS"


def load_tests(loader: Any, found: unittest.TestSuite, pattern: Any) -> unittest.TestSuite:
    """In a process of their own: torch.compile keeps a package by its name, whichever its version."""
    if os.environ.get(OWN) == "1":
        return found
    return unittest.TestSuite([OwnProcess("test_every_version")])


class OwnProcess(unittest.TestCase):
    @unittest.skipIf(os.environ.get(OWN) == "1", "it is this process")
    def test_every_version(self) -> None:
        command = [sys.executable, "-m", "unittest", __name__]
        environment = {**os.environ, OWN: "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])


class Variant(NamedTuple):
    """A class with options, and how streams go in."""

    name: str
    module: str
    options: dict[str, Any]
    branch: Callable[[], Any] = lambda: nn.Linear(D, D)
    cls: str = "HyperConnections"
    # [b, t, n, d] -> its layout
    pack: Callable[[torch.Tensor], torch.Tensor] = lambda x: x.movedim(2, 1).flatten(0, 1)
    unpack: Callable[[torch.Tensor], torch.Tensor] = lambda x: x.unflatten(0, (-1, N)).movedim(1, 2)
    first: bool = True  # H is over fractions x streams, not streams x fractions
    inputs: int = 1


class Summed(nn.Linear):
    """Of several views, [v, b, ...]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.sum(0))


class Last(nn.Linear):
    """Of channels first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Two(nn.Linear):
    """Of two inputs."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x + y)


def channels(x: torch.Tensor) -> torch.Tensor:
    """[b, t, n, d] -> [(b n), d, t]."""
    return x.permute(0, 2, 3, 1).flatten(0, 1)


def unchanneled(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(0, (-1, N)).permute(0, 3, 1, 2)


def pictures(x: torch.Tensor) -> torch.Tensor:
    """[b, t, n, d] -> [(b n), d, 2, t / 2]."""
    return channels(x).unflatten(-1, (2, -1))


def variants(number: str) -> Iterator[Variant]:
    """What that version has."""
    yield Variant("HC", HC, {})
    yield Variant("HC, no tanh", HC, {"tanh": False})
    yield Variant("HC, 2 views", HC, {"num_input_views": 2}, lambda: Summed(D, D))
    yield Variant("HC, nothing written", HC, {"add_branch_out_to_residual": False})
    if number != "0.4.11":  # adds the branch's sum over all positions, but that is nothing here
        yield Variant(
            "HC, channel_first",
            HC,
            {"channel_first": True},
            lambda: Last(D, D),
            pack=channels,
            unpack=unchanneled,
        )
    conv: Callable[[], Any] = lambda: nn.Conv2d(D, D, 1)  # noqa: E731
    yield Variant(
        "HC of pictures",
        CHANNELS,
        {},
        conv,
        pack=pictures,
        unpack=lambda x: unchanneled(x.flatten(2)),
    )
    yield Variant(
        "HC, 2 branches",
        BRANCHES,
        {"num_branch_inputs": 2},
        lambda: [nn.Linear(D, D), nn.Linear(D, D)],
    )
    yield Variant(
        "HC, 2 inputs", INPUTS, {"additional_input_paths": [1]}, lambda: Two(D, D), inputs=2
    )
    if number != "0.1.15":
        mhc = "ManifoldConstrainedHyperConnections"
        yield Variant("HC, 2 fractions", HC, {"num_fracs": 2})
        yield Variant("mHC", MHC, {}, cls=mhc)
    if number == "0.4.11":
        apart: dict[str, Any] = {"pack": lambda x: x, "unpack": lambda x: x}
        yield Variant("mHC, 2 fractions", MHC, {"num_fracs": 2}, cls=mhc)
        yield Variant("mHC, log domain", MHC, {"log_domain_sinkhorn": True}, cls=mhc)
        yield Variant(
            "mHC, own constraint",
            MHC,
            {"residual_mix_constraint_fn": lambda m: m.softmax(-1)},
            cls=mhc,
        )
        yield Variant("mHCv2", V2, {}, cls=mhc, **apart)
        yield Variant("mHCv2, 2 fractions", V2, {"num_fracs": 2}, cls=mhc, first=False, **apart)
        yield Variant(
            "mHCv2, 2 views",
            V2,
            {"num_input_views": 1, "num_dynamic_alpha_proposals": 3},
            cls=mhc,
            **apart,
        )


def made(variant: Variant, load: Callable[[str], Any], seed: int = 0) -> Any:
    """With random weights, and a branch that gives 0: x' = H x."""
    torch.manual_seed(seed)
    branch = variant.branch()
    module = getattr(load(variant.module), variant.cls)(
        N, dim=D, branch=branch, layer_index=1, **variant.options
    )
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
            if name.startswith("branch"):
                parameter.zero_()
    return module.train()


def solved(variant: Variant, before: torch.Tensor, after: torch.Tensor) -> tuple[Any, Any]:
    """H [tokens, n, n] from streams [b, t, n, d] before and after, and the streams that it acts on, in float64."""
    count = variant.options.get("num_fracs", 1)

    def split(x: torch.Tensor) -> Any:
        x = x.unflatten(-1, (count, -1))
        return (
            (x.transpose(2, 3) if variant.first else x)
            .flatten(2, 3)
            .flatten(0, 1)
            .detach()
            .double()
            .numpy()
        )

    into, out = split(before), split(after)
    return out @ np.linalg.pinv(into), into


Check = Callable[[str, Variant, Any, list[torch.Tensor], torch.Tensor], None]


class Versions(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        quiet(self)

    def each(self, check: Check) -> None:
        """Version, variant, module, what it is given, and the streams [b, t, n, d]."""
        for number in VERSIONS:
            with version(number) as load:
                for variant in variants(number):
                    with self.subTest(version=number, variant=variant.name):
                        module = made(variant, load)
                        x = torch.randn(B, 6, N, D)
                        given = [variant.pack(x).contiguous() for _ in range(variant.inputs)]
                        check(number, variant, module, given, x)

    def check(
        self,
        number: str,
        variant: Variant,
        module: Any,
        given: list[torch.Tensor],
        x: torch.Tensor,
        run: Any,
    ) -> None:
        with watched(nn.ModuleList([module]), tokens=B * 6) as watch:
            out = run(*given)
            taken = watch.take()
            self.assertEqual(watch.faults.errors, 0, watch.faults._said)
            said = [line for line in watch.faults._said if "does not apply it" in line]
        (one,) = taken
        constrained = variant.module in (MHC, V2)
        if variant.module in UNMIXED.get(number, ()):
            self.assertEqual(
                (one.found.kind, one.found.stored, one.found.bounded),
                ("identity", "identity", "doubly"),
            )
            self.assertIsNone(one.h)
            self.assertEqual(len(said), 1)
            return
        self.assertEqual(said, [])
        fractions = variant.options.get("num_fracs", 1)
        self.assertEqual(
            (one.found.kind, one.found.stored, one.found.n),
            ("mhc" if constrained else "hc", "comb", N * fractions),
        )
        if variant.options.get("add_branch_out_to_residual", True):
            h, streams = solved(variant, x, variant.unpack(out))
            self.assertLess(np.abs(one.h - h).max(), 5e-6 * np.abs(h).max())
            if one.streams is not None:
                np.testing.assert_array_equal(one.streams, streams[: len(one.streams)])

    def test_what_is_taken_is_what_is_applied(self) -> None:
        self.each(
            lambda number, variant, module, given, x: self.check(
                number, variant, module, given, x, module
            )
        )

    def test_compiled_in_one_graph(self) -> None:
        def check(
            number: str, variant: Variant, module: Any, given: list[torch.Tensor], x: torch.Tensor
        ) -> None:
            torch._dynamo.reset()
            self.check(
                number,
                variant,
                module,
                given,
                x,
                torch.compile(module, backend="eager", fullgraph=True),
            )

        self.each(check)

    def test_streams_are_seen_and_the_formula_agrees(self) -> None:
        """But of what has a constraint of its own, or a class of its own whose projection is a module."""
        without = ("mHC, 2 fractions", "mHC, own constraint", "HC of pictures", "HC, 2 inputs")

        def check(
            number: str, variant: Variant, module: Any, given: list[torch.Tensor], x: torch.Tensor
        ) -> None:
            with watched(nn.ModuleList([module])) as watch:
                module(*given)
                (one,) = watch.take()
            if one.h is None:
                return
            self.assertIsNotNone(one.streams)
            if variant.name in without:
                self.assertIsNone(one.reference)
            else:
                self.assertLess(np.abs(one.reference - one.h[: len(one.reference)]).max(), 1e-5)

        self.each(check)

    def test_the_package_is_left_as_it_was(self) -> None:
        def check(
            number: str, variant: Variant, module: Any, given: list[torch.Tensor], x: torch.Tensor
        ) -> None:
            kind = type(module)
            package = sys.modules[kind.__module__]
            before = package.einsum, kind.width_connection, dict(vars(module))
            with watched(nn.ModuleList([module])):
                module(*given)
                self.assertIsNot(kind.width_connection, before[1])
            self.assertEqual((package.einsum, kind.width_connection, dict(vars(module))), before)

        self.each(check)

    def test_the_formula_is_of_float32_under_autocast(self) -> None:
        with version("0.4.11") as load:
            module = made(next(v for v in variants("0.4.11") if v.name == "mHC"), load)
            x = torch.randn(B * N, 6, D)
            with watched(nn.ModuleList([module])) as watch:
                module(x)
                (exact,) = watch.take()
            with watched(nn.ModuleList([module])) as watch, torch.autocast("cpu", torch.bfloat16):
                module(x)
                (one,) = watch.take()
        self.assertLess(np.abs(one.reference - exact.h[: len(one.reference)]).max(), 1e-6)
        self.assertGreater(np.abs(one.reference - one.h[: len(one.reference)]).max(), 1e-5)


if __name__ == "__main__":
    unittest.main()
