"""Every row of the table of implementations: found by which adapter, as what, and what is taken is the truth, run as it is and compiled."""

from __future__ import annotations

import os
import unittest

import torch

from gainwatch import adapters
from gainwatch.adapters import registry
from gainwatch.guard import Faults

from ..implementations import NEVER, ROWS, Implementation, implementations
from ..standins.packages import run_with
from .agreement import assert_agrees, size

# By their entry's name: why no adapter reads it.
DECLINED = {
    "mhc MatrixMHCSkip": "mixes the outputs of earlier layers into one: of its matrix one row is used, and no streams pass on",
    "mhc MHCSkip": "mixes the outputs of earlier layers into one by n weights: there is no matrix",
}


def by_adapters() -> list[Implementation]:
    """Entries that can be had here and are not a matcher's."""
    return [
        entry for entry in implementations() if not entry.available() and entry.found == "adapter"
    ]


def found_by(entry: Implementation) -> list[registry.Recognised]:
    """What the adapters recognise of a model of the entry."""
    model, faults = entry.make(4, size(entry)), Faults()
    found = (registry.recognise(name, m, adapters.ALL, faults) for name, m in model.named_modules())
    if faults.errors:
        raise AssertionError(faults._said)
    return [one for one in found if one is not None]


class TestTable(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)

    def test_what_is_taken_is_the_truth(self) -> None:
        for entry in by_adapters():
            with self.subTest(entry.name):
                assert_agrees(self, entry)

    def test_compiled_in_one_graph(self) -> None:
        for entry in by_adapters():
            with self.subTest(entry.name):
                torch._dynamo.reset()
                assert_agrees(self, entry, depth=1, compiled=True)

    def test_other_numbers_of_streams(self) -> None:
        for entry in by_adapters():
            for n in (1, 2, 16, 32):
                if entry.fits(n) and n * entry.factor <= 32:
                    with self.subTest(entry.name, n=n):
                        assert_agrees(self, entry, n, depth=1)

    def test_the_table(self) -> None:
        """Prints it: row, entry, found by, kind, stored, exact sums; counts rows that are found and declined."""
        lines, found, declined = [], set[str](), dict(NEVER)
        for entry in implementations():
            by, what = entry.found, f"{entry.kind}, {entry.stored}"
            recognised = [] if entry.available() else found_by(entry)
            if entry.found == "never":
                by = f"declined: {DECLINED[entry.name]}"
            if entry.found != "adapter":
                self.assertEqual(recognised, [], entry.name)
            elif entry.available():
                by = f"not here: {entry.available()}"
            else:
                (by,) = {one.adapter.name for one in recognised}
            if not by.startswith("declined"):
                found.add(entry.row)
            lines.append(
                f"{entry.row:48} | {entry.name:32} | {by:24.60} | {what:18} | {entry.exact}"
            )
        lines += [f"{row:48} | {'':32} | declined: {why}" for row, why in declined.items()]
        print(
            "\n".join(
                [
                    "",
                    *lines,
                    f"{len(found)} rows of {len(ROWS)} found, {len(declined)} declined: {', '.join(declined)}",
                ]
            )
        )
        self.assertEqual(found | set(declined), set(ROWS))

    @unittest.skipIf(os.environ.get("GAINWATCH_MHC"), "is the other process")
    def test_the_other_package_called_mhc(self) -> None:
        """mhc and mhc-pytorch are both imported as mhc: mhc 0.5.5 has a process of its own."""
        done = run_with("mhc", f"{__name__}.TestTable.test_the_table")
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        self.assertIn("declined: mixes the outputs", done.stdout)


if __name__ == "__main__":
    unittest.main()
