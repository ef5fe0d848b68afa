"""Sinkhorn's normalisation in float32, for formulas that mappings are held against. Not DeepSeek's form with its epsilons (`mixer`)."""

from __future__ import annotations

from torch import Tensor

ROWS, COLUMNS = -1, -2  # axes that are summed over


def sinkhorn(logits: Tensor, iterations: int, axes: tuple[int, ...] = (COLUMNS, ROWS)) -> Tensor:
    """exp of [..., n, n], then divided by the sums over each of `axes` in turn, so often: those over the last one are exact."""
    logits = logits.float()
    matrix = (logits - logits.amax((-1, -2), keepdim=True)).exp()
    for _ in range(iterations):
        for axis in axes:
            matrix = matrix / matrix.sum(axis, keepdim=True)
    return matrix
