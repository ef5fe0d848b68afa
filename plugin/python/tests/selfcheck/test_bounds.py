"""What bounds a mapping: random ones of each class are found to be of it, and nothing is believed that a sample refutes."""

from __future__ import annotations

import unittest
from typing import Any, Callable, Optional

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gainwatch.selfcheck.bounds import Facts, add, exactness, judge

from .records import Array, random, sinkhorn

SIZES = st.sampled_from([2, 3, 4, 8, 16])
SEEDS = st.integers(0, 2**32 - 1)


def orthogonal(rng: np.random.Generator, n: int) -> Array:
    return np.linalg.qr(rng.normal(size=(32, n, n)))[0]


def signed(rng: np.random.Generator, n: int) -> Array:
    h = rng.normal(size=(32, n, n))
    return h / np.maximum(1, np.linalg.norm(h, 2, axis=(1, 2), keepdims=True))


def permutations(rng: np.random.Generator, n: int) -> Array:
    return np.eye(n)[np.array([rng.permutation(n) for _ in range(32)])]


def mixtures(rng: np.random.Generator, n: int) -> Array:
    """Convex in permutations: exact both ways."""
    weights = rng.dirichlet(np.ones(6), size=32)
    return np.einsum(
        "tr,rij->tij", weights, np.eye(n)[np.array([rng.permutation(n) for _ in range(6)])]
    )


def softmax(rng: np.random.Generator, n: int) -> Array:
    e = np.exp(rng.normal(size=(32, n, n)) * 2)
    return e / e.sum(-1, keepdims=True)


def free(rng: np.random.Generator, n: int) -> Array:
    return np.eye(n) + 0.3 * rng.normal(size=(32, n, n))


def facts_of(*samples: Array, dtype: Optional[str] = None) -> Facts:
    """Of samples in float32, or rounded to another dtype, one look for each."""
    facts = Facts()
    for sample in samples:
        rounded = torch.tensor(sample).to(getattr(torch, dtype or "float32"))
        add(facts, rounded.float(), dtype)
    return facts


Make = Callable[[np.random.Generator, int], Array]
CLASSES: dict[str, tuple[Make, str, str]] = {
    "Sinkhorn": (lambda rng, n: sinkhorn(rng.normal(size=(32, n, n))), "mhc", "doubly"),
    "Sinkhorn, columns": (
        lambda rng, n: sinkhorn(rng.normal(size=(32, n, n))).swapaxes(1, 2),
        "mhc",
        "doubly",
    ),
    "mixtures": (mixtures, "mhc", "doubly"),
    "permutations": (permutations, "mhc", "doubly"),
    "orthogonal": (orthogonal, "orthogonal", "spectral"),
    "signed": (signed, "signed", "spectral"),
    "free": (free, "own", "none"),
}


class TestClasses(unittest.TestCase):
    @settings(deadline=None, max_examples=40)
    @given(SEEDS, SIZES, st.sampled_from(sorted(CLASSES)))
    def test_a_random_one_is_found(self, seed: int, n: int, name: str) -> None:
        """Of which nothing is said, and of which it is said that it is HC."""
        make, kind, bounded = CLASSES[name]
        facts = facts_of(make(random(seed), n))
        if facts.varied == 0 or (name == "mixtures" and n == 2):
            return  # all the same, or nearly: too little is shown
        self.assertEqual(judge("own", None, facts, None), (kind, bounded))
        self.assertEqual(
            judge("hc", "none", facts, None), ("hc" if kind == "own" else kind, bounded)
        )

    @settings(deadline=None, max_examples=20)
    @given(SEEDS, st.sampled_from([3, 4, 8]))
    def test_a_softmax_has_exact_rows_alone(self, seed: int, n: int) -> None:
        h = softmax(random(seed), n)
        self.assertEqual(judge("own", None, facts_of(h), None), ("own", "rows"))
        self.assertEqual(judge("own", None, facts_of(h.swapaxes(1, 2)), None), ("own", "columns"))

    @settings(deadline=None, max_examples=20)
    @given(SEEDS, SIZES)
    def test_what_the_adapter_says_holds_in_the_lowest_precision(self, seed: int, n: int) -> None:
        for make, kind, bounded in CLASSES.values():
            if kind not in ("own", "signed"):
                facts = facts_of(make(random(seed), n), dtype="bfloat16")
                self.assertEqual(judge(kind, None, facts, "bfloat16"), (kind, bounded))

    @settings(deadline=None, max_examples=30)
    @given(SEEDS, SIZES)
    def test_entries_below_0_are_of_no_mhc(self, seed: int, n: int) -> None:
        facts = facts_of(free(random(seed), n))
        self.assertEqual(judge("mhc", None, facts, None), ("hc", "none"))
        self.assertEqual(judge("mhc", "doubly", facts, None), ("hc", "none"))
        self.assertEqual(judge("identity", None, facts, None), ("own", "none"))

    def test_all_ones_are_bounded_by_nothing(self) -> None:
        self.assertEqual(judge("mhc", None, facts_of(np.ones((8, 4, 4))), None), ("mhc", "none"))

    def test_a_sinkhorn_that_drifts_is_still_one(self) -> None:
        """Rows exact, columns off by 0.5: what the monitor is to warn of."""
        h = sinkhorn(6 * random(3).normal(size=(32, 4, 4)), 2)
        self.assertGreater(np.abs(h.sum(-2) - 1).max(), 0.2)
        self.assertEqual(judge("mhc", None, facts_of(h), None), ("mhc", "doubly"))

    def test_an_orthogonal_one_that_drifts_is_so_no_more(self) -> None:
        h = orthogonal(random(0), 4)
        self.assertEqual(
            judge("orthogonal", None, facts_of(h, h * 0.9), None), ("signed", "spectral")
        )
        self.assertEqual(judge("orthogonal", None, facts_of(h, h * 1.1), None), ("hc", "none"))


class TestStarts(unittest.TestCase):
    """Near the identity everything is exact, and nothing of it is believed."""

    def test_the_identity_shows_nothing(self) -> None:
        for kind, bounded in (
            ("hc", "none"),
            ("own", None),
            ("mhc", "doubly"),
            ("orthogonal", "spectral"),
        ):
            facts = facts_of(*[np.eye(4)[None]] * 6)
            self.assertEqual(judge(kind, bounded, facts, None), (kind, bounded))

    @settings(deadline=None, max_examples=50)
    @given(SEEDS, SIZES, st.floats(1e-9, 0.3), st.booleans())
    def test_hc_that_moves_away_is_never_more(
        self, seed: int, n: int, rate: float, signs: bool
    ) -> None:
        """As Adam moves it: by about the rate in each entry and step, from the identity; dynamic parts of the same size or none."""
        rng, h, facts = random(seed), np.eye(n)[None], Facts()
        for _ in range(3):
            step = np.sign(rng.normal(size=(1, n, n))) if signs else rng.normal(size=(8, n, n))
            h = h + rate * step
            add(facts, torch.tensor(h).float(), None)
            for kind, bounded in (("hc", "none"), ("own", None)):
                found = judge(kind, bounded, facts, None)
                self.assertEqual(found[0], kind)
                self.assertIn(found[1], ("none",) if kind == "hc" else ("none", None))

    def test_one_that_stays_is_judged_where_it_is(self) -> None:
        """A constant matrix after four looks, the identity of nobody after eight."""
        h = sinkhorn(random(0).normal(size=(1, 4, 4)), 200)
        self.assertEqual(judge("own", None, facts_of(h), None), ("own", None))
        self.assertEqual(judge("own", None, facts_of(*[h] * 4), None), ("mhc", "doubly"))
        self.assertEqual(
            judge("own", None, facts_of(*[np.eye(4)[None]] * 8), None), ("identity", None)
        )

    def test_the_identity_less_something_symmetric(self) -> None:
        """Of norm 1, as HC that is trained on streams that are copies: that bounds nothing."""
        facts = facts_of(*(np.eye(4)[None] - step / 40 for step in range(8)))
        self.assertGreater(facts.ones, 2)
        self.assertEqual(judge("hc", "none", facts, None), ("hc", "none"))
        self.assertEqual(judge("own", None, facts, None), ("own", None))

    def test_what_is_not_finite_shows_nothing(self) -> None:
        bad = np.full((2, 4, 4), np.nan)
        self.assertEqual(facts_of(bad), Facts())
        self.assertEqual(judge("mhc", None, facts_of(bad), None), ("mhc", None))

    def test_one_stream_is_left_as_it_is(self) -> None:
        self.assertEqual(judge("hc", "none", facts_of(np.ones((4, 1, 1))), None), ("hc", "none"))


class TestRounding(unittest.TestCase):
    def test_exact_is_by_the_arithmetic(self) -> None:
        """float32's sums of n <= 32 numbers are within 32 eps; those of bfloat16 within some eps."""
        for dtype, least in (
            ("float32", 32 * 2**-23),
            ("bfloat16", 2**-7),
            ("float16", 2**-10),
            (None, 32 * 2**-23),
        ):
            self.assertGreater(exactness(dtype), least)
            self.assertLess(exactness(dtype), 0.03)

    @settings(deadline=None, max_examples=30)
    @given(SEEDS, st.sampled_from([2, 4, 8, 16, 32]), st.floats(0.1, 2.0))
    def test_noise_of_float32_changes_nothing(self, seed: int, n: int, spread: float) -> None:
        rng = random(seed)
        h = sinkhorn(spread * rng.normal(size=(16, n, n)), 100)
        noisy = h * (1 + rng.normal(size=h.shape) * 2**-24 * 4)
        got: Any = judge("own", None, facts_of(noisy), None)
        self.assertEqual(got, ("mhc", "doubly"))
