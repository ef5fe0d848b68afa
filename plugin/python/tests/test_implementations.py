"""That the table of implementations is right, before any adapter is: what the modules do, against
float64 NumPy and against what is measured from their streams."""

from __future__ import annotations

import os
import unittest
from typing import Any

import numpy as np
import torch

from .implementations import (
    NEVER,
    ROWS,
    Implementation,
    implementations,
    measured,
)
from .standins.packages import chosen, run_with


def size(entry: Implementation, n: int = 4) -> tuple[int, int]:
    """(n, d) for an entry: d large enough to solve for H."""
    return n, 32


def here() -> list[Implementation]:
    """Those that can be had; in the process of the other `mhc`, PyPI's alone."""
    other = os.environ.get("GAINWATCH_MHC")
    return [
        entry
        for entry in implementations()
        if not entry.available() and (entry.row == "PyPI" or not other)
    ]


def worst(a: Any, b: Any) -> float:
    return float(np.abs(a - b).max())


class TestTable(unittest.TestCase):
    def test_every_row_has_an_entry(self) -> None:
        rows = {entry.row for entry in implementations()}
        self.assertEqual(set(ROWS), rows | set(NEVER))
        names = [entry.name for entry in implementations()]
        self.assertEqual(len(set(names)), len(names))

    def test_what_is_missing_says_how_it_is_installed(self) -> None:
        for entry in implementations():
            if entry.available():
                self.assertRegex(entry.available(), "pip install|GAINWATCH_MHC|needs ")

    def test_output_is_the_references(self) -> None:
        """Streams after two layers with live branches, from float64; logits of deviation 3 round by
        some 1e-6."""
        for entry in here():
            with self.subTest(entry.name):
                n, d = size(entry)
                model, x = entry.make(n, d, depth=2), entry.streams(n, d, 1)
                references, out = entry.references(model, x, n)
                got = entry.to_nd(model(x), n).detach().double().numpy()
                if entry.collapsed:
                    got, out = got.mean(1), out.mean(1)
                self.assertLess(worst(got, out), 2e-6 * max(20.0, float(np.abs(out).max())))
                self.assertEqual(len(references), len(entry.connections(2)))

    def test_silenced_it_applies_the_truth(self) -> None:
        """x' = H x, and H solved for from x and x' is the truth: to 1e-5 of the largest entry."""
        for entry in here():
            with self.subTest(entry.name):
                n, d = size(entry)
                model, x = entry.make(n, d), entry.streams(n, d, 1)
                entry.silence(model)
                product = np.eye(n * entry.factor)
                for h in entry.truth(model, x, n):
                    product = h @ product
                with torch.no_grad():
                    got, into = (
                        entry.to_nd(model(x), n).double().numpy(),
                        entry.to_nd(x, n).double().numpy(),
                    )
                if entry.collapsed:
                    self.assertLess(worst(got.mean(1), (product @ into).mean(1)), 1e-5)
                    continue
                largest = float(np.abs(product).max())
                self.assertLess(
                    worst(got, product @ into), 1e-5 * largest * float(np.abs(into).max())
                )
                self.assertLess(worst(measured(entry, model, x, n), product), 1e-5 * largest)

    def test_sums_that_are_exact(self) -> None:
        """`exact` names those sums of H as applied that are 1 to 2e-6 (DeepSeek's eps), and no
        other is to 1e-5."""
        for entry in here():
            with self.subTest(entry.name):
                n, d = size(entry)
                hs = entry.truth(entry.make(n, d), entry.streams(n, d, 1), n)
                off = {
                    "rows": max(worst(h.sum(-1), 1) for h in hs),
                    "columns": max(worst(h.sum(-2), 1) for h in hs),
                }
                for direction, deviation in off.items():
                    exact = entry.exact in (direction, "doubly")
                    self.assertTrue(
                        deviation < 2e-6 if exact else deviation > 1e-5,
                        f"{direction}: {deviation:.1e}",
                    )

    def test_matrices_tell_their_orientation(self) -> None:
        """H is not symmetric, or it is said to be."""
        for entry in here():
            if (
                entry.stored not in ("H", "comb")
                or "symmetric" in entry.note
                or "all ones" in entry.note
                or "H = I" in entry.note
            ):
                continue
            with self.subTest(entry.name):
                n, d = size(entry)
                for h in entry.truth(entry.make(n, d), entry.streams(n, d, 1), n):
                    self.assertGreater(worst(h, np.swapaxes(h, -1, -2)), 0.05)
                    self.assertGreater(worst(h, np.eye(len(h[0]))), 0.1)

    def test_kinds(self) -> None:
        for entry in here():
            with self.subTest(entry.name):
                n, d = size(entry)
                hs = entry.truth(entry.make(n, d), entry.streams(n, d, 1), n)
                for h in hs:
                    values = np.linalg.svd(h, compute_uv=False)
                    if entry.kind == "identity":
                        self.assertEqual(worst(h, np.eye(n)), 0)
                    if entry.kind == "orthogonal":
                        self.assertLess(worst(values, 1), 1e-12)
                    if entry.kind == "signed":
                        self.assertLess(values.max(), 1 + 1e-12)
                    if entry.kind == "mhc":
                        self.assertGreaterEqual(h.min(), 0)

    def test_other_numbers_of_streams(self) -> None:
        """n = 1, 2, 8, 32 wherever it fits: output and truth as above."""
        for entry in here():
            for n in (1, 2, 8, 32):
                if not entry.fits(n) or (n == 32 and entry.factor > 1):
                    continue
                with self.subTest(entry.name, n=n):
                    model, x = entry.make(n, 32), entry.streams(n, 32, 1)
                    out = entry.references(model, x, n)[1]
                    got = entry.to_nd(model(x), n).detach().double().numpy()
                    got, out = (got.mean(1), out.mean(1)) if entry.collapsed else (got, out)
                    self.assertLess(worst(got, out), 5e-6 * max(20.0, float(np.abs(out).max())))

    def test_the_same_seed_makes_the_same(self) -> None:
        for entry in here():
            with self.subTest(entry.name):
                a, b, c = (entry.make(4, 32, seed).state_dict() for seed in (0, 0, 1))
                self.assertTrue(all(torch.equal(a[key], b[key]) for key in a))
                self.assertFalse(all(torch.equal(a[key], c[key]) for key in a))

    def test_gradients_reach_the_connections(self) -> None:
        for entry in here():
            with self.subTest(entry.name):
                model = entry.make(4, 32)
                model(entry.streams(4, 32)).square().mean().backward()
                layers: Any = model.layers
                branches = {
                    id(p)
                    for layer in layers
                    for site in entry.sites
                    for p in layer.get_submodule(site.branch).parameters()
                }
                own = [p for p in model.parameters() if id(p) not in branches]
                reached = any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in own)
                self.assertEqual(reached, "no_grad" not in entry.note)

    def test_matchers_give_h(self) -> None:
        """What a user's matcher takes of the modules that no adapter knows is H as applied."""
        for entry in here():
            if entry.matcher is None:
                self.assertNotEqual(entry.found, "matcher")
                continue
            with self.subTest(entry.name):
                model, x, taken = entry.make(4, 32), entry.streams(4, 32), []
                for name, module in model.named_modules():
                    module.register_forward_hook(
                        lambda its, args, out, name=name, match=entry.matcher: taken.append(
                            match(name, its, args, out)
                        )
                    )
                model(x)
                (got,) = [h for h in taken if h is not None]
                self.assertLess(
                    worst(got.detach().double().flatten(0, 1).numpy(), entry.truth(model, x, 4)[0]),
                    2e-6,
                )

    @unittest.skipIf(os.environ.get("GAINWATCH_MHC"), "is the other process")
    def test_the_other_package_called_mhc(self) -> None:
        """mhc and mhc-pytorch are both imported as mhc: the other one has a process of its own."""
        other = "mhc" if chosen() == "mhc-pytorch" else "mhc-pytorch"
        done = run_with(other, "tests.test_implementations.TestTable")
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
