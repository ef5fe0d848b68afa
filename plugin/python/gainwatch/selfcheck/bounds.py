"""What bounds a mapping, found from samples of it: pure functions on numbers. Not what is told of it (`running`, `table`).

The values of `Listed.bounded`, of H as applied (rows are destinations), as the monitor's rules take them:

- "doubly": no entry below 0 and the sums of its rows or of its columns exact, the others near 1. Which of them are exact depends on what a
  Sinkhorn ends with; the others drift where it is cut short, and it is called doubly all the same, for that is what the monitor warns of.
- "rows", "columns": these sums are exact and nothing is known of the others (a softmax), or entries are below 0.
- "spectral": its largest singular value is 1 and no more: orthogonal matrices, and those of norm 1 with both signs.
- "none": none of these. None: not known (yet).

Exact means to rounding. A sample shows at once that something does not hold. That it holds is believed only of a mapping that varies, over tokens
or steps, a lot more than by rounding (or stays for long where it is not the identity): at its start, HC is the identity, which is exact in every way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor

KINDS = {
    "residual": "doubly",
    "mhc": "doubly",
    "identity": "doubly",
    "orthogonal": "spectral",
}  # what they promise
EXACT = 5e-5  # of a sum of float32: a Sinkhorn in logarithms at a temperature of 0.05 has 2e-5
INEXACT = 0.02  # of a sum, in the lowest precision that is used (bfloat16: 3e-3 to 1e-2): more is no rounding
VARIED = 20  # times what counts as exact: our choice
CURVED = 10  # times the root of what counts as exact: near the identity, a norm changes by the square of what entries do
NEAR = 0.1  # of what the mapping varies by, at most so much are the sums off that are not exact: a softmax's are by as much as it varies
FEW, MANY = (
    5,
    8,
)  # looks: a mapping that has not moved until then (step 16, 128) is judged where it is
TOKENS = 8  # of which singular values are worked out


@dataclass
class Facts:
    """Of all samples of a mapping [S, n, n] so far: the worst of each."""

    looks: int = 0
    rows: float = 0.0  # |sum - 1|, at most
    columns: float = 0.0
    least: float = float("inf")  # entry
    norm: float = 0.0  # largest singular value
    ones: int = 0  # matrices whose largest singular value is 1 and that are not near the identity
    orthogonal: float = 0.0  # norm of H^T H - I
    away: float = 0.0  # entry of H - I
    low: Optional[Tensor] = None  # [n, n]
    high: Optional[Tensor] = None

    @property
    def varied(self) -> float:
        """By how much an entry has varied, at most."""
        return 0.0 if self.low is None or self.high is None else float((self.high - self.low).max())


def add(facts: Facts, h: Tensor, dtype: Optional[str]) -> None:
    """One more sample [S, n, n], as applied; one that is not finite shows nothing."""
    if not bool(torch.isfinite(h).all()):
        return
    h, exact = h.double(), exactness(dtype)
    eye = torch.eye(h.shape[-1], dtype=h.dtype)
    few = h[:TOKENS]
    facts.looks += 1
    facts.rows = max(facts.rows, float((h.sum(2) - 1).abs().max()))
    facts.columns = max(facts.columns, float((h.sum(1) - 1).abs().max()))
    facts.least = min(facts.least, float(h.min()))
    norms, aways = torch.linalg.svdvals(few).amax(1), (few - eye).abs().flatten(1).amax(1)
    facts.norm = max(facts.norm, float(norms.max()))
    facts.ones += int((((norms - 1).abs() <= exact) & (aways >= CURVED * exact**0.5)).sum())
    facts.orthogonal = max(
        facts.orthogonal, float((few.transpose(1, 2) @ few - eye).flatten(1).norm(dim=1).max())
    )
    facts.away = max(facts.away, float((h - eye).abs().max()))
    low, high = h.amin(0), h.amax(0)
    facts.low = low if facts.low is None else torch.minimum(facts.low, low)
    facts.high = high if facts.high is None else torch.maximum(facts.high, high)


def exactness(dtype: Optional[str]) -> float:
    """How far a sum may be off to be exact, of a mapping of this dtype ("bfloat16"; None: float32)."""
    return max(EXACT, 2.5 * epsilon(dtype))


def epsilon(dtype: Optional[str]) -> float:
    """The unit of rounding of its name; float32's where it has none."""
    known = getattr(torch, dtype or "float32", None)
    return (
        torch.finfo(known).eps
        if isinstance(known, torch.dtype) and known.is_floating_point
        else torch.finfo(torch.float32).eps
    )


def judge(
    kind: str, bounded: Optional[str], facts: Facts, dtype: Optional[str]
) -> tuple[str, Optional[str]]:
    """Kind and bound of a mapping that is believed to be of `kind` and `bounded`, by what its samples show."""
    if facts.looks == 0 or facts.low is None or len(facts.low) == 1:
        return kind, bounded
    exact = exactness(dtype)
    if kind in ("identity", "residual") and facts.away > INEXACT:
        kind, bounded = "own", None
    believed = bounded or KINDS.get(kind)
    if believed not in (None, "none") and _holds(believed, facts, exact):
        turned = kind == "orthogonal" and facts.orthogonal > INEXACT * len(facts.low)
        return ("signed" if turned else kind), believed
    found = _found(facts, exact)
    if found is None and believed is not None:  # refuted, or free as it was
        found = "none"
    return _kind(kind, found, facts, exact), found


def _holds(bounded: Optional[str], facts: Facts, exact: float) -> bool:
    slack = max(exact, INEXACT)
    if bounded == "doubly":
        return facts.least >= -exact and min(facts.rows, facts.columns) <= slack
    if bounded == "spectral":
        return facts.norm <= 1 + slack
    return (facts.rows if bounded == "rows" else facts.columns) <= slack


def _moved(facts: Facts) -> float:
    """How far the samples lead away from where everything is exact."""
    return max(facts.varied, facts.away if facts.looks >= FEW else 0.0)


def _found(facts: Facts, exact: float) -> Optional[str]:
    """What the samples show by themselves; None: nothing yet."""
    moved = _moved(facts)
    rows, columns = facts.rows <= exact, facts.columns <= exact
    if moved <= VARIED * exact:
        return None if rows or columns or facts.norm <= 1 + exact else "none"
    if rows or columns:
        if facts.least >= -exact and max(facts.rows, facts.columns) <= max(exact, NEAR * moved):
            return "doubly"
        return "rows" if rows else "columns"
    if facts.norm > 1 + exact:
        return "none"
    return "spectral" if facts.ones >= 2 else None


def _kind(kind: str, found: Optional[str], facts: Facts, exact: float) -> str:
    if kind == "own" and facts.looks >= MANY and facts.away <= exact:
        return "identity"
    if found == "doubly":
        return "mhc"
    if facts.least >= -exact:
        return kind
    if (
        facts.low is not None
        and facts.orthogonal <= exact * len(facts.low)
        and _moved(facts) >= CURVED * exact**0.5
    ):
        return "orthogonal"
    if found == "spectral":
        return "signed"
    return "hc" if kind in ("mhc", "orthogonal") else kind
