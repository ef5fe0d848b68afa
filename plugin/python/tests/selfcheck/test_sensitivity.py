"""The norm of a mapping's derivative by its logits, against autograd's, and against what is published of starts."""

from __future__ import annotations

import unittest
from typing import Optional

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gainwatch.selfcheck.sensitivity import of_sinkhorn, sensitivities

from ..support import listed


def sinkhorn(logits: Tensor) -> Tensor:
    """[n, n] of float64, converged."""
    for _ in range(300):
        logits = logits - logits.logsumexp(1, keepdim=True)
        logits = logits - logits.logsumexp(0, keepdim=True)
    return logits.exp()


EYE = torch.eye(4, dtype=torch.float64)
STARTS = {  # logits: H_ii, H_ij, norm
    "off-diagonal -8": ((EYE - 1) * 8, 0.998995, 3.4e-4, 1.3e-3),
    "10 I": (10 * EYE, 0.999860, 4.6e-5, 1.8e-4),
    "6 I - 3": (6 * EYE - 3, 0.992615, 2.5e-3, 9.8e-3),
    "0 and -5": (5 * EYE - 5, 0.980183, 6.6e-3, 2.6e-2),
    "zero": (0 * EYE, 0.25, 0.25, 0.25),
}


def one(h: Tensor, kind: str = "mhc", sinkhorn: Optional[float] = 1.0) -> Optional[float]:
    return sensitivities([listed("a", h.shape[-1], kind=kind, sinkhorn=sinkhorn)], [h])[0]


class TestSensitivity(unittest.TestCase):
    def test_starts_in_the_wild(self) -> None:
        for name, (logits, diagonal, off, norm) in STARTS.items():
            with self.subTest(name):
                h = sinkhorn(logits)
                self.assertAlmostEqual(float(h[0, 0]), diagonal, delta=1e-5)
                self.assertAlmostEqual(float(h[0, 1]), off, delta=0.05 * off)
                found = one(h[None].float())
                assert found is not None
                self.assertAlmostEqual(found, norm, delta=0.05 * norm)

    def test_a_temperature_of_a_twentieth_freezes_it(self) -> None:
        """Off-diagonal -8 at 0.05: exactly 0, whatever is divided by."""
        self.assertEqual(one(sinkhorn((EYE - 1) * 8 / 0.05)[None].float(), sinkhorn=0.05), 0.0)

    @settings(deadline=None, max_examples=10)
    @given(st.integers(0, 2**31), st.sampled_from([2, 3, 4, 6]), st.floats(0.05, 4))
    def test_it_is_the_derivatives(self, seed: int, n: int, spread: float) -> None:
        torch.manual_seed(seed)
        logits = spread * torch.randn(n, n, dtype=torch.float64)
        derivative = torch.autograd.functional.jacobian(sinkhorn, logits).reshape(n * n, n * n)
        norm = float(torch.linalg.matrix_norm(derivative, 2))
        h = sinkhorn(logits)
        for as_applied in (h, h.T):
            self.assertAlmostEqual(float(of_sinkhorn(as_applied[None])[0]), norm, delta=2e-2 * norm)

    def test_each_has_its_own(self) -> None:
        """Of several numbers of streams and tokens at once, what it is of one alone; the largest of its tokens."""
        torch.manual_seed(0)
        hs = [
            torch.stack([sinkhorn(torch.randn(n, n, dtype=torch.float64)) for _ in range(count)])
            for n, count in ((4, 1), (3, 7), (4, 3))
        ]
        found = sensitivities(
            [listed(str(i), h.shape[-1], sinkhorn=1.0) for i, h in enumerate(hs)], hs
        )
        for h, got in zip(hs, found):
            self.assertAlmostEqual(
                got or 0, max(float(of_sinkhorn(t[None])[0]) for t in h[:4]), places=4
            )

    def test_of_what_it_does_not_follow_from(self) -> None:
        h = sinkhorn(EYE)[None]
        self.assertEqual(one(h, kind="hc", sinkhorn=None), 1.0)
        for kind, temperature in (("mhc", None), ("own", 1.0), ("orthogonal", None)):
            self.assertIsNone(one(h, kind, temperature))
        for bad in (torch.ones(1, 4, 4), h * float("nan"), h * -1, torch.ones(1, 1, 1)):
            self.assertIsNone(one(bad))

    def test_32_streams_of_100_connections_take_seconds_at_most(self) -> None:
        h = torch.full((100, 32, 32), 1 / 32, dtype=torch.float64)
        self.assertAlmostEqual(float(of_sinkhorn(h).max()), 1 / 32, places=5)
