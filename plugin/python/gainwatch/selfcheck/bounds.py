"""What bounds a mapping, found from samples of it: pure functions on numbers. Not what is told of
it (`running`, `table`).

The values of `Listed.bounded`, of H as applied (rows are destinations), as the monitor's rules take
them:

- "doubly": no entry below 0, and the sums of its rows or of its columns exact, the others near 1.
  Which are exact depends on what a Sinkhorn ends with; the others drift where it is cut short, and
  it is called doubly all the same, for that drift is what the monitor warns of.
- "rows", "columns": these sums are exact, and the others free (a softmax), or entries are below 0.
- "spectral": its largest singular value is 1 and no more: orthogonal matrices, and those of norm 1
  with both signs.
- "none": none of these. None: not known (yet).

Exact means to rounding. One sample shows that something does not hold. That it holds is believed
only of a mapping that varies a lot more than by rounding: at its start, HC is the identity, which
is exact in every way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor

KINDS = {  # what they promise
    "residual": "doubly",
    "mhc": "doubly",
    "identity": "doubly",
    "orthogonal": "spectral",
    "hc": "none",
}
EXACT = 5e-5  # of a sum in float32: a Sinkhorn in logarithms at a temperature of 0.05 has 2e-5
INEXACT = 0.02  # of a sum: more is no rounding, not of bfloat16 (3e-3 to 1e-2)
VARIED = 20  # times what counts as exact, an entry has varied: our choice
CURVED = 10  # times its root: near the identity, norms change by the square of what entries do
NEAR = 0.1  # of what entries vary by, the sums that are not exact are off; a softmax's as much
# Looks (step 8) until which only variation over tokens counts: the first steps of Adam are equal
# but for their signs, which may cancel in a sum. Then one that does not move is judged as it is.
FEW = 4
MANY = 8  # looks (step 128) after which one that has always been the identity is called so
TRAINED = 5e-3  # movement of an entry that is no start of a warm-up: our choice
TOKENS = 8  # of which singular values are worked out


@dataclass
class Facts:
    """Of all samples of a mapping [S, n, n] so far: the largest of each, unless said."""

    looks: int = 0
    rows: float = 0.0  # |sum - 1|
    columns: float = 0.0
    least: float = float("inf")  # the smallest entry
    norm: float = 0.0  # singular value
    ones: int = 0  # matrices of norm 1 that are not near the identity
    orthogonal: float = 0.0  # norm of H^T H - I
    away: float = 0.0  # entry of H - I
    spread: float = 0.0  # by which an entry has varied over the tokens of a step
    drift: float = 0.0  # by which an entry of the mean over the tokens has moved, in the last look
    first: Optional[Tensor] = None  # [n, n], that mean in the first look
    low: Optional[Tensor] = None  # [n, n], the smallest entries
    high: Optional[Tensor] = None

    @property
    def varied(self) -> float:
        """By how much an entry has varied over all samples."""
        if self.low is None or self.high is None:
            return 0.0
        return float((self.high - self.low).max())

    @property
    def has_trained(self) -> bool:
        """Has the mean moved since the first look, and more than other tokens move it?"""
        return self.drift > max(TRAINED, 3 * self.spread)


def add(facts: Facts, h: Tensor, dtype: Optional[str]) -> None:
    """One more sample [S, n, n], as applied; one that is not finite shows nothing."""
    if not bool(torch.isfinite(h).all()):
        return
    h, exact = h.double(), exactness(dtype)
    eye = torch.eye(h.shape[-1], dtype=h.dtype)
    few, mean, low, high = h[:TOKENS], h.mean(0), h.amin(0), h.amax(0)
    norms, aways = torch.linalg.svdvals(few).amax(1), (few - eye).abs().flatten(1).amax(1)
    squares = (few.transpose(1, 2) @ few - eye).flatten(1).norm(dim=1)
    facts.looks += 1
    facts.rows = max(facts.rows, float((h.sum(2) - 1).abs().max()))
    facts.columns = max(facts.columns, float((h.sum(1) - 1).abs().max()))
    facts.least = min(facts.least, float(low.min()))
    facts.norm = max(facts.norm, float(norms.max()))
    facts.ones += int((((norms - 1).abs() <= exact) & (aways >= _curved(exact))).sum())
    facts.orthogonal = max(facts.orthogonal, float(squares.max()))
    facts.away = max(facts.away, float((h - eye).abs().max()))
    facts.spread = max(facts.spread, float((high - low).max()))
    facts.first = mean if facts.first is None else facts.first
    facts.drift = float((mean - facts.first).abs().max())
    facts.low = low if facts.low is None else torch.minimum(facts.low, low)
    facts.high = high if facts.high is None else torch.maximum(facts.high, high)


def exactness(dtype: Optional[str]) -> float:
    """How far off a sum that is exact may be, of a mapping of this dtype ("bfloat16"; None:
    float32)."""
    return max(EXACT, 2.5 * epsilon(dtype))


def epsilon(dtype: Optional[str]) -> float:
    """The unit of rounding of a dtype by its name; float32's where it has none."""
    known = getattr(torch, dtype or "float32", None)
    if not isinstance(known, torch.dtype) or not known.is_floating_point:
        known = torch.float32
    return torch.finfo(known).eps


def judge(
    kind: str, bounded: Optional[str], facts: Facts, dtype: Optional[str]
) -> tuple[str, Optional[str]]:
    """Kind and bound of a mapping that is believed to be of `kind` and `bounded`, by what its
    samples show."""
    if facts.low is None or len(facts.low) == 1:
        return kind, bounded
    exact = exactness(dtype)
    if kind in ("identity", "residual") and facts.away > INEXACT:
        kind, bounded = "own", None
    believed = bounded or KINDS.get(kind)
    if believed is not None and _holds(believed, facts, exact):
        drifted = kind == "orthogonal" and facts.orthogonal > INEXACT * len(facts.low)
        return ("signed" if drifted else kind), believed
    found = _found(facts, exact)
    if found is None and believed is not None:  # refuted, or free as it was
        found = "none"
    return _kind(kind, found, facts, exact), found


def _holds(bounded: str, facts: Facts, exact: float) -> bool:
    slack = max(exact, INEXACT)
    if bounded == "doubly":
        return facts.least >= -exact and min(facts.rows, facts.columns) <= slack
    if bounded == "spectral":
        return facts.norm <= 1 + slack
    return bounded != "none" and (facts.rows if bounded == "rows" else facts.columns) <= slack


def _curved(exact: float) -> float:
    return float(CURVED * exact**0.5)


def _moved(facts: Facts) -> float:
    """How far the samples lead away from where everything is exact."""
    return facts.spread if facts.looks < FEW else max(facts.varied, facts.away)


def _is_orthogonal(facts: Facts, exact: float) -> bool:
    near = facts.low is not None and facts.orthogonal <= exact * len(facts.low)
    return near and _moved(facts) >= _curved(exact)


def _found(facts: Facts, exact: float) -> Optional[str]:
    """What the samples show by themselves; None: nothing yet."""
    moved = _moved(facts)
    rows, columns = facts.rows <= exact, facts.columns <= exact
    if moved <= VARIED * exact:
        return None if rows or columns or facts.norm <= 1 + exact else "none"
    if rows or columns:
        near = max(facts.rows, facts.columns) <= max(exact, NEAR * moved)
        return "doubly" if near and facts.least >= -exact else "rows" if rows else "columns"
    if facts.norm > 1 + exact:
        return "none"
    # The identity less something symmetric has norm 1, too, as HC may have after some steps.
    of_norm_1 = facts.ones >= 2 and facts.spread >= _curved(exact)
    return "spectral" if of_norm_1 or _is_orthogonal(facts, exact) else None


def _kind(kind: str, found: Optional[str], facts: Facts, exact: float) -> str:
    if kind == "own" and facts.looks >= MANY and facts.away <= exact:
        return "identity"
    if found == "doubly":
        return "mhc"
    if facts.least >= -exact:
        return kind
    if _is_orthogonal(facts, exact):
        return "orthogonal"
    if found == "spectral":
        return "signed"
    return "hc" if kind in ("mhc", "orthogonal") else kind
