"""The self-test: what it says of starts that are known to be good or bad, and how the table and what is sent look."""

from __future__ import annotations

import unittest
from typing import Any, Optional

import numpy as np
import torch

from gainwatch.selfcheck.table import LINES, Row, Seen, lines, rows_of, sent, warnings

from ..support import listed
from .records import Array, random, sinkhorn


def seen(
    h: Array, name: str = "layer", kind: str = "mhc", reference: Optional[Array] = None, **more: Any
) -> Seen:
    """A connection's first sample [S, n, n], stored as it is applied; a Sinkhorn in float32 unless said."""
    of: dict[str, Any] = {"dtype": "float32", "parameters": "float32", "sinkhorn": 1.0, **more}
    stored = torch.tensor(np.asarray(h)).float()
    return Seen(
        listed(name, stored.shape[-1], kind=kind, **of),
        stored,
        stored,
        None if reference is None else torch.tensor(reference),
    )


def row(h: Array, **more: Any) -> Row:
    return rows_of([seen(h, **more)])[0]


def codes(found: Row) -> list[str]:
    return [finding.code for finding in found.findings]


def start(diagonal: float, off: float = 0.0, noise: float = 0.1) -> Array:
    """Of a Sinkhorn in float64, [8, 4, 4]."""
    logits = (diagonal - off) * np.eye(4) + off + noise * random().normal(size=(8, 4, 4))
    return sinkhorn(logits)


def in_half(h_logits: Array) -> Array:
    """A Sinkhorn in bfloat16."""
    h = torch.tensor(h_logits).bfloat16().exp()
    for _ in range(20):
        h = h / h.sum(-2, keepdim=True)
        h = h / h.sum(-1, keepdim=True)
    return h.float().numpy()


class TestRows(unittest.TestCase):
    def test_a_good_start_has_no_finding(self) -> None:
        found = row(start(0, -5))
        self.assertEqual((codes(found), found.measured.mixing), ([], "near identity"))
        self.assertAlmostEqual(found.measured.forward_gain or 0, 1, places=6)
        self.assertAlmostEqual(found.measured.sensitivity or 0, 2.6e-2, delta=5e-3)
        self.assertTrue((found.measured.rows or 0) < 1e-6 < (found.measured.columns or 0) < 1e-2)

    def test_hc_may_be_free(self) -> None:
        found = row(np.eye(4) + 0.1 * random().normal(size=(8, 4, 4)), kind="hc", sinkhorn=None)
        self.assertEqual((codes(found), found.measured.sensitivity), ([], 1.0))

    def test_all_ones(self) -> None:
        found = row(np.ones((8, 4, 4)))
        self.assertEqual(codes(found), ["ones"])
        self.assertIn(
            "its gain is 4, and the composite grows x 4 with each", found.findings[0].text
        )
        self.assertEqual(
            (found.measured.forward_gain, found.measured.sensitivity, found.measured.mixing),
            (4.0, None, "even"),
        )

    def test_of_logits_of_another_formula_nothing_is_said(self) -> None:
        """Also where that was found of others of the adapter, and this one is not recomputed: it ran later."""
        at, free = np.eye(4)[None], {"adapter": "mine"}
        other = rows_of([seen(at, reference=sinkhorn(at), **free)])[0]
        self.assertEqual(codes(other), ["recomputed"])
        for others, found in ((["mine"], []), (["another"], ["frozen"])):
            with self.subTest(others=others):
                self.assertEqual(codes(rows_of([seen(at, **free)], others)[0]), found)

    def test_a_frozen_start(self) -> None:
        self.assertEqual(codes(row(np.eye(4)[None])), ["frozen"])
        self.assertEqual(codes(row(start(10))), [])  # 1.8e-4: slow, and it learns

    def test_an_even_start(self) -> None:
        self.assertEqual(codes(row(np.full((1, 4, 4), 0.25))), ["even"])
        self.assertEqual(codes(row(start(0, noise=0.01))), ["even"])
        self.assertEqual(codes(row(start(0, noise=2.0))), [])
        self.assertEqual(row(start(0, noise=2.0)).measured.mixing, "mixed")

    def test_a_sinkhorn_in_half_precision(self) -> None:
        """By its sums, whether it is given in bfloat16 or was made float32 since."""
        h = in_half(random(1).normal(size=(32, 4, 4)))
        self.assertGreater(np.abs(h.sum(-1) - 1).max(), 1e-3)
        for dtype, words in (
            ("bfloat16", "its Sinkhorn is in bfloat16"),
            ("float32", "half precision, it seems"),
        ):
            found = row(h, dtype=dtype)
            self.assertEqual(codes(found), ["half"])
            self.assertIn(words, found.findings[0].text)

    def test_parameters_in_half_precision(self) -> None:
        found = row(start(0, -5), parameters="bfloat16, float32")
        self.assertEqual(codes(found), ["parameters"])

    def test_sums_of_no_sinkhorn(self) -> None:
        self.assertEqual(codes(row(start(0, -5) * 1.3)), ["sums"])

    def test_a_sinkhorn_that_was_cut_short(self) -> None:
        h = sinkhorn(6 * random(3).normal(size=(32, 4, 4)), 2)
        for as_applied, words in (
            (h, "exact row sums, but column sums"),
            (h.swapaxes(1, 2), "exact column sums, but row sums"),
        ):
            found = row(as_applied)
            self.assertEqual(codes(found), ["cut short"])
            self.assertIn(words, found.findings[0].text)

    def test_another_result_than_its_formulas(self) -> None:
        h = start(0, -5)
        self.assertEqual(codes(row(h, reference=h + 1e-6)), [])
        self.assertEqual(codes(row(h, reference=h[:2] + 3e-3)), ["recomputed"])
        self.assertEqual(codes(row(h, reference=h + 3e-3, dtype="bfloat16")), [])  # its rounding
        self.assertIn("by 3.0e-03", row(h, reference=h + 3e-3).findings[0].text)
        # one matrix for all tokens
        self.assertEqual(codes(row(h[:1], reference=h[:1].repeat(8, 0))), [])
        self.assertEqual(codes(row(h, reference=h * np.nan)), ["recomputed"])

    def test_what_is_not_finite(self) -> None:
        found = row(np.full((8, 4, 4), np.nan))
        self.assertEqual(codes(found), ["finite"])
        self.assertIsNone(sent([found], {})[0]["forward_gain"])

    def test_one_stream(self) -> None:
        found = row(np.ones((8, 1, 1)), kind="hc")
        self.assertEqual(
            (codes(found), found.measured.mixing, found.measured.forward_gain), ([], None, 1.0)
        )

    def test_orthogonal_and_own(self) -> None:
        h = np.linalg.qr(random().normal(size=(8, 4, 4)))[0]
        for kind in ("orthogonal", "signed", "own"):
            self.assertEqual(codes(row(h, kind=kind, sinkhorn=None)), [])


class TestTable(unittest.TestCase):
    def test_rows_that_are_alike_are_one(self) -> None:
        """43 layers in few lines, the ill one by itself, with the worst of each number."""
        good = [seen(start(0, -5, 0.001 * i), f"layers.{i}") for i in range(43)]
        rows = rows_of([*good[:20], seen(np.eye(4)[None], "layers.frozen"), *good[20:]])
        made = lines(rows, {"layers.0": "comb"})
        self.assertEqual(len(made), 4)
        self.assertRegex(
            made[1], r"^layers\.0 +mhc +doubly +float32/float32 +1 .* near identity +comb"
        )
        self.assertRegex(made[2], r"^layers\.1 … layers\.42 \(42\) ")
        self.assertRegex(made[3], r"^layers\.frozen ")
        self.assertEqual(len({line.index("mhc") for line in made[1:]}), 1)

    def test_it_has_few_lines(self) -> None:
        rows = rows_of([seen(start(0, -5), f"l{i}", dtype=f"float{i}") for i in range(60)])
        made = lines(rows, {})
        self.assertLessEqual(len(made), LINES)
        self.assertEqual(made[-1], f"… and {60 - (LINES - 2)} more groups of connections")

    def test_what_is_wrong_is_said_once_for_all(self) -> None:
        rows = rows_of(
            [
                seen(in_half(s * random(1).normal(size=(32, 4, 4))), f"layers.{i}")
                for i, s in enumerate((0.5, 2.0, 1.0))
            ]
        )
        worst = max(f.size for r in rows for f in r.findings)
        ((code, words),) = warnings(rows)
        self.assertEqual(code, "half")
        self.assertTrue(
            words.startswith(
                f"layers.0 … layers.2 (3) has sums that are exact only to {worst:.1e}"
            ),
            words,
        )

    def test_what_is_sent_is_of_the_schema(self) -> None:
        (entry,) = sent(
            [row(np.ones((8, 4, 4)), parameters="bfloat16, float16, float32, float64")],
            {"layer": "comb"},
        )
        self.assertEqual(
            set(entry),
            {
                "connection",
                "dtype",
                "forward_gain",
                "row_deviation",
                "column_deviation",
                "sensitivity",
                "mixing",
                "orientation",
                "findings",
            },
        )
        self.assertLessEqual(len(entry["dtype"]), 32)
        self.assertEqual(
            (entry["connection"], entry["mixing"], entry["orientation"]), ("layer", "even", "comb")
        )
        self.assertTrue(
            all(isinstance(text, str) and len(text) <= 300 for text in entry["findings"])
        )
