"""What the streams show between two connections: laws over random mappings, gates and branches."""

from __future__ import annotations

import unittest
from typing import Any, Optional

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gainwatch.selfcheck.pairs import Pair, arrival, orientation, pairs
from gainwatch.wire.record import Listing

from ..support import record_of
from .records import CHANNELS, TOKENS, Array, checked, connections, random, run, sinkhorn, streams

SIZES = st.sampled_from([2, 3, 4, 8, 16])
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def pair(
    h: Array,
    x: Array,
    after: Array,
    post: Optional[Array] = None,
    dtype: torch.dtype = torch.float32,
) -> Pair:
    """As it is taken from a record."""
    gate = None if post is None else torch.tensor(post).double()
    return Pair(
        0,
        1,
        torch.tensor(x).to(dtype),
        torch.tensor(h).float().double(),
        torch.tensor(after).to(dtype),
        gate,
    )


def branch(rng: np.random.Generator, n: int) -> Array:
    """What one branch writes, [T, n, d]."""
    return rng.normal(size=(TOKENS, n, 1)) * rng.normal(size=(TOKENS, 1, CHANNELS))


class TestOrientation(unittest.TestCase):
    @settings(deadline=None, max_examples=40)
    @given(
        SEEDS, st.sampled_from([3, 4, 8, 16]), st.sampled_from(DTYPES), st.booleans(), st.booleans()
    )
    def test_it_is_found(
        self, seed: int, n: int, dtype: torch.dtype, exact: bool, static: bool
    ) -> None:
        """Of a Sinkhorn and of free entries, the same for all tokens or not, in every precision, if it is not nearly symmetric for it."""
        rng = random(seed)
        h = 2 * rng.normal(size=(1 if static else TOKENS, n, n))
        h = sinkhorn(h) if exact else h
        x = streams(rng, n)
        after = h @ x + branch(rng, n)
        both = [orientation(pair(m, x, after, dtype=dtype)) for m in (h, h.swapaxes(1, 2))]
        told = dtype == torch.float32 or np.abs(h - h.swapaxes(1, 2)).max() > 1
        self.assertIn(
            both,
            [["as given", "transposed"]] + ([] if told else [["", ""], ["neither", "neither"]]),
        )

    @settings(deadline=None, max_examples=20)
    @given(SEEDS, st.sampled_from([4, 8]), st.sampled_from([2, 3]))
    def test_fractions_write_more_than_one_direction(
        self, seed: int, n: int, fractions: int
    ) -> None:
        rng = random(seed)
        h, x = rng.normal(size=(TOKENS, n, n)), streams(rng, n)
        after = h @ x + sum(branch(rng, n) for _ in range(min(fractions, n // 2)))
        self.assertEqual(orientation(pair(h, x, after)), "as given")
        self.assertEqual(orientation(pair(h.swapaxes(1, 2), x, after)), "transposed")

    @settings(deadline=None, max_examples=30)
    @given(SEEDS, SIZES, st.sampled_from(DTYPES))
    def test_a_symmetric_one_shows_nothing(self, seed: int, n: int, dtype: torch.dtype) -> None:
        rng = random(seed)
        h = rng.normal(size=(TOKENS, n, n))
        h, x = h + h.swapaxes(1, 2), streams(rng, n)
        self.assertEqual(orientation(pair(h, x, h @ x + branch(rng, n), dtype=dtype)), "")

    @settings(deadline=None, max_examples=30)
    @given(SEEDS, st.sampled_from([3, 4, 8]))
    def test_an_orthogonal_one_is_like_any_other(self, seed: int, n: int) -> None:
        rng = random(seed)
        h, x = np.linalg.qr(rng.normal(size=(TOKENS, n, n)))[0], streams(rng, n)
        self.assertEqual(orientation(pair(h, x, h @ x + branch(rng, n))), "as given")

    @settings(deadline=None, max_examples=60)
    @given(
        SEEDS,
        st.sampled_from([3, 4, 8, 16]),
        st.sampled_from(["other", "scaled", "dropped", "two", "same", "permuted"]),
    )
    def test_what_is_something_else_is_never_transposed(self, seed: int, n: int, what: str) -> None:
        """Streams of elsewhere, scaled, with dropout, of a parallel branch, of a permutation in between."""
        rng = random(seed)
        h, x = sinkhorn(2 * rng.normal(size=(TOKENS, n, n))), streams(rng, n)
        given_on = h @ x + branch(rng, n)
        after = {
            "other": streams(rng, n),
            "scaled": given_on * rng.uniform(0.5, 2, size=(TOKENS, n, 1)),
            "dropped": given_on * (rng.random(given_on.shape) > 0.1) / 0.9,
            "two": given_on + sum(branch(rng, n) for _ in range(n)),
            "same": x,
            "permuted": given_on[:, rng.permutation(n)],
        }[what]
        self.assertNotEqual(orientation(pair(h, x, after)), "transposed")

    def test_a_layer_that_gives_the_mean_is_not_transposed(self) -> None:
        """Copies in and copies out: x' - H^T x has rank 1 where the columns of H are exact, and x' - H x has not."""
        rng = random(0)
        h = sinkhorn(2 * rng.normal(size=(TOKENS, 4, 4))).swapaxes(1, 2)
        x, after = (np.repeat(rng.normal(size=(TOKENS, 1, CHANNELS)), 4, 1) for _ in range(2))
        self.assertEqual(orientation(pair(h, x, after)), "")


class TestArrival(unittest.TestCase):
    @settings(deadline=None, max_examples=30)
    @given(SEEDS, SIZES, st.sampled_from(DTYPES))
    def test_different_streams_are_apart(self, seed: int, n: int, dtype: torch.dtype) -> None:
        rng = random(seed)
        h, x = sinkhorn(rng.normal(size=(TOKENS, n, n))), streams(rng, n)
        self.assertEqual(arrival(pair(h, x, h @ x + branch(rng, n), dtype=dtype)), "apart")

    @settings(deadline=None, max_examples=30)
    @given(SEEDS, SIZES, st.sampled_from(DTYPES), st.booleans())
    def test_streams_that_were_different_are_reduced(
        self, seed: int, n: int, dtype: torch.dtype, mean: bool
    ) -> None:
        """Summed, or their mean, and expanded, of streams that went in different."""
        rng = random(seed)
        h, x = sinkhorn(2 * rng.normal(size=(TOKENS, n, n))), streams(rng, n)
        given_on = h @ x + branch(rng, n)
        one = given_on.mean(1, keepdims=True) if mean else given_on.sum(1, keepdims=True)
        self.assertEqual(arrival(pair(h, x, np.repeat(one, n, 1), dtype=dtype)), "reduced")

    @settings(deadline=None, max_examples=30)
    @given(SEEDS, SIZES, st.booleans())
    def test_copies_by_their_rows_and_by_their_gate(self, seed: int, n: int, exact: bool) -> None:
        """Of copies that go in, H with exact rows makes copies: what differs then is what a gate that is known writes."""
        rng = random(seed)
        x = np.repeat(rng.normal(size=(TOKENS, 1, CHANNELS)), n, 1)
        h = sinkhorn(2 * rng.normal(size=(TOKENS, n, n)), 200 if n == 2 else 20)
        h = h if exact or n == 2 else h.swapaxes(1, 2) + 0.01 * rng.normal(size=h.shape)
        y = rng.normal(size=(TOKENS, 1, CHANNELS))
        gate = rng.uniform(0, 2, size=(TOKENS, n))
        arrived = np.repeat((h @ x + gate[..., None] * y).mean(1, keepdims=True), n, 1)
        by_rows = not (exact or n == 2)
        self.assertEqual(arrival(pair(h, x, arrived)), "reduced" if by_rows else "equal")
        self.assertEqual(arrival(pair(h, x, arrived, gate)), "reduced")
        if not by_rows:
            self.assertEqual(arrival(pair(h, x, arrived, np.ones_like(gate))), "equal")
            # the branch gives nothing
            self.assertEqual(arrival(pair(h, x, x * 1.0, gate)), "equal")

    @settings(deadline=None, max_examples=40)
    @given(SEEDS, SIZES, st.floats(1e-12, 1e-2), st.sampled_from(DTYPES))
    def test_streams_that_begin_as_copies_are_never_reduced(
        self, seed: int, n: int, rate: float, dtype: torch.dtype
    ) -> None:
        """HC at its start, I + rate: worked out in the dtype itself, with gates of 1 + rate."""
        rng = random(seed)
        x = torch.tensor(np.repeat(rng.normal(size=(TOKENS, 1, CHANNELS)), n, 1)).to(dtype)
        h = torch.tensor(np.eye(n) + rate * rng.normal(size=(TOKENS, n, n))).to(dtype)
        gate = torch.tensor(1 + rate * rng.normal(size=(TOKENS, n, 1))).to(dtype)
        after = h @ x + gate * torch.tensor(rng.normal(size=(TOKENS, 1, CHANNELS))).to(dtype)
        made = Pair(0, 1, x, h.float().double(), after, gate[..., 0].double())
        self.assertNotEqual(arrival(made), "reduced")

    def test_nothing_shows_nothing(self) -> None:
        x = np.zeros((TOKENS, 4, CHANNELS))
        self.assertEqual(arrival(pair(np.eye(4)[None], x, x)), "")


class TestPairs(unittest.TestCase):
    """Which connections are compared."""

    def found(
        self, stored: list[Array], inputs: list[Any], kinds: str = "", **more: Any
    ) -> list[tuple[int, int]]:
        of = connections(int(more.pop("count", len(stored))))
        for i, kind in enumerate(kinds.split()):
            of[i].kind = kind
        record = record_of(1, stored, Listing(tuple(of)), streams=checked(inputs), **more)
        return [(p.place, p.following) for p in pairs(record, [torch.tensor(m) for m in stored])]

    def setUp(self) -> None:
        self.rng = random(0)
        self.stored = [sinkhorn(self.rng.normal(size=(TOKENS, 4, 4))) for _ in range(3)]
        self.inputs: list[Any] = run(self.stored, streams(self.rng, 4), self.rng)

    def test_each_and_the_next(self) -> None:
        self.assertEqual(self.found(self.stored, self.inputs), [(0, 1), (1, 2)])

    def test_over_one_that_did_not_run(self) -> None:
        self.assertEqual(
            self.found(self.stored, self.inputs, present=(0, 2, 3), count=4), [(0, 2), (2, 3)]
        )

    def test_not_over_an_identity(self) -> None:
        found = self.found(
            self.stored, self.inputs, "own identity own own", present=(0, 2, 3), count=4
        )
        self.assertEqual(found, [(2, 3)])

    def test_not_over_one_that_a_graph_wrote(self) -> None:
        found = self.found(self.stored, [*self.inputs[:2], None], present=(0, 2, 1), count=3)
        self.assertEqual(found, [])

    def test_not_from_the_last_to_the_first(self) -> None:
        """Of a model that runs its layers in another order than before."""
        self.assertEqual(self.found(self.stored, self.inputs, present=(2, 0, 1)), [(0, 1)])

    def test_not_of_other_shapes_or_numbers(self) -> None:
        wide = np.zeros((TOKENS, 4, 2 * CHANNELS))
        for bad in (None, wide, self.inputs[1][:2], np.full_like(self.inputs[1], np.inf)):
            self.assertEqual(self.found(self.stored, [self.inputs[0], bad, self.inputs[2]]), [])
