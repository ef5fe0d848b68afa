"""The self-test: what the connections are when they are first seen, one row for each, and what is wrong with them, in words. Pure functions;
not when it is made and who hears of it (`running`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from ..wire.record import Listed
from . import bounds
from .sensitivity import sensitivities

EVEN = 0.1  # of the differences between the streams, at most so much is left by an even mixing
IDENTITY = 0.1  # norm of H - I, at most, of one that is near the identity
FROZEN = 1e-6  # norm of the derivative by the logits below which nothing is learned: a step of 1 moves no bit
CUT_SHORT = (
    0.1  # of a sum: more than a Sinkhorn of 20 iterations is off that has logits of deviation 4
)
RECOMPUTED = 1e-4  # difference from float32 that is no rounding of float32
HALF = ("bfloat16", "float16")
LINES = 20  # of the table, at most
MOST_FINDINGS, LONGEST_FINDING = 8, 300  # that the monitor takes of a connection


class Finding(NamedTuple):
    """Something that is wrong. code: which; size: by how much, to name the worst of many."""

    code: str
    text: str
    size: float = 0.0


@dataclass
class Row:
    """Of one connection, at its start. Gains and deviations over the sampled tokens: the mean of the largest row sums, the largest
    deviations; None: not known."""

    connection: Listed
    forward_gain: Optional[float]
    rows: Optional[float]
    columns: Optional[float]
    sensitivity: Optional[float]
    mixing: Optional[str]  # even, near identity, mixed
    recomputed: Optional[float]  # largest difference from a recomputation in float32
    findings: list[Finding] = field(default_factory=list)


class Seen(NamedTuple):
    """A connection's first sample. h [S, n, n], as applied; stored, reference [T, n, n]: as stored, and worked out anew."""

    connection: Listed
    h: Tensor
    stored: Tensor
    reference: Optional[Tensor]


def rows_of(seen: Sequence[Seen]) -> list[Row]:
    """A row for each."""
    moves = sensitivities([s.connection for s in seen], [s.h for s in seen])
    return [_row(one, moved) for one, moved in zip(seen, moves)]


def _row(seen: Seen, moved: Optional[float]) -> Row:
    h, connection = seen.h.double(), seen.connection
    if not bool(torch.isfinite(h).all()):
        row = Row(connection, None, None, None, None, None, None)
        row.findings.append(Finding("finite", "has values that are not finite"))
        return row
    row = Row(
        connection,
        float(h.sum(2).abs().amax(1).mean()),
        float((h.sum(2) - 1).abs().max()),
        float((h.sum(1) - 1).abs().max()),
        moved,
        _mixing(h.mean(0)),
        _difference(seen),
    )
    row.findings = list(_findings(row, h))
    return row


def _mixing(h: Tensor) -> Optional[str]:
    """Of the mean over the tokens [n, n]: by what is left of the differences between the streams."""
    n = len(h)
    if n == 1:
        return None
    eye = torch.eye(n, dtype=h.dtype)
    apart = eye - 1 / n
    if float(torch.linalg.matrix_norm(apart @ h @ apart, 2)) < EVEN:
        return "even"
    return "near identity" if float(torch.linalg.matrix_norm(h - eye, 2)) < IDENTITY else "mixed"


def _difference(seen: Seen) -> Optional[float]:
    if seen.reference is None:
        return None
    reference = seen.reference.detach().double().cpu()
    return float((seen.stored[: len(reference)].double() - reference).abs().max())


def _findings(row: Row, h: Tensor) -> Iterable[Finding]:
    """What is wrong. `kind` and `bounded` are already those that the sample shows."""
    connection, n = row.connection, h.shape[-1]
    assert row.rows is not None and row.columns is not None
    exact, off = min(row.rows, row.columns), max(row.rows, row.columns)
    if n == 1:
        return
    if float((h - 1).abs().max()) < bounds.INEXACT:
        yield Finding(
            "ones",
            f"gives all ones, and no matrix of a Sinkhorn: its gain is {n}, and the composite grows x {n} with each connection",
        )
    elif connection.kind == "mhc":
        yield from _of_sums(row, exact, off)
    if connection.parameters and any(half in connection.parameters for half in HALF):
        yield Finding(
            "parameters",
            f"has parameters in {connection.parameters}: updates smaller than the rounding are lost; keep them in float32",
        )
    if row.sensitivity is not None and row.sensitivity < FROZEN:
        yield Finding(
            "frozen",
            f"is frozen: the norm of its derivative by the logits is {row.sensitivity:.1g}, so it can never learn",
            -row.sensitivity,
        )
    if row.mixing == "even" and exact < bounds.INEXACT:
        yield Finding(
            "even",
            "mixes evenly from the first step: what differs between the streams is gone after it",
        )
    limit = max(RECOMPUTED, 2 * bounds.epsilon(connection.dtype))
    if row.recomputed is not None and not row.recomputed <= limit:
        text = f"differs from its formula in float32 by {row.recomputed:.1e} (rounding of {connection.dtype}: {limit:.1e})"
        yield Finding("recomputed", text, row.recomputed)


def _of_sums(row: Row, exact: float, off: float) -> Iterable[Finding]:
    """Of what should be doubly stochastic."""
    dtype = row.connection.dtype
    if exact > bounds.INEXACT:
        yield Finding(
            "sums",
            f"has row sums that are off 1 by {row.rows:.1e} and column sums by {row.columns:.1e}: no Sinkhorn gives that",
            exact,
        )
    elif exact > bounds.EXACT:
        where = dtype if dtype in HALF else "half precision, it seems"
        yield Finding(
            "half",
            f"has sums that are exact only to {exact:.1e}, against 1e-5 in float32: its Sinkhorn is in {where}",
            exact,
        )
    if exact <= bounds.INEXACT and off > CUT_SHORT:
        names = ("row", "column") if row.rows == exact else ("column", "row")
        text = f"has exact {names[0]} sums, but {names[1]} sums that are off 1 by {off:.1g}: its Sinkhorn has not converged"
        yield Finding("cut short", text, off)


def sent(rows: Iterable[Row], orientations: dict[str, Optional[str]]) -> list[dict[str, Any]]:
    """As `SelfTest` of openapi.yaml has it. orientations: by name, H or comb, None where it is not known."""
    return [
        {
            "connection": row.connection.name,
            "dtype": row.connection.parameters and row.connection.parameters[:32],
            "forward_gain": row.forward_gain,
            "row_deviation": row.rows,
            "column_deviation": row.columns,
            "sensitivity": row.sensitivity,
            "mixing": row.mixing,
            "orientation": orientations.get(row.connection.name),
            "findings": [f.text[:LONGEST_FINDING] for f in row.findings[:MOST_FINDINGS]],
        }
        for row in rows
    ]


def names(rows: Sequence[Row]) -> str:
    """Shortly: "layers.0.attn … layers.42.ffn (86)"."""
    first, last = rows[0].connection.name, rows[-1].connection.name
    return (
        first
        if len(rows) == 1
        else f"{first} … {last} ({len(rows)})"
        if len(rows) > 2
        else f"{first}, {last}"
    )


def warnings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(code, words) of each thing that is wrong: which connections, and the worst of them in words."""
    by_code: dict[str, list[tuple[Row, Finding]]] = {}
    for row in rows:
        for finding in row.findings:
            by_code.setdefault(finding.code, []).append((row, finding))
    return [
        (
            code,
            f"{names([row for row, _ in found])} {max((f for _, f in found), key=lambda f: f.size).text}",
        )
        for code, found in by_code.items()
    ]


HEADINGS = ("connection", "kind", "sums", "mapping/parameters", "gain", "rows off", "columns off", "dH/dlogits", "mixing", "stored", "recomputed")  # fmt: skip


def lines(rows: Sequence[Row], orientations: dict[str, Optional[str]]) -> list[str]:
    """The table. Rows that are alike but for their numbers are one, with the worst of each."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(_likeness(row, orientations), []).append(row)
    cells = [
        HEADINGS,
        *(_cells(group, orientations) for group in list(groups.values())[: LINES - 2]),
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADINGS))]
    made = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    ]
    left = len(groups) - (len(cells) - 1)
    return made + ([f"… and {left} more groups of connections"] if left else [])


def _likeness(row: Row, orientations: dict[str, Optional[str]]) -> tuple[Any, ...]:
    c = row.connection
    codes = tuple(f.code for f in row.findings)
    return c.kind, c.bounded, c.dtype, c.parameters, row.mixing, orientations.get(c.name), codes


def _cells(group: Sequence[Row], orientations: dict[str, Optional[str]]) -> tuple[str, ...]:
    c = group[0].connection
    return (
        names(group),
        c.kind,
        c.bounded or "?",
        f"{c.dtype or '?'}/{c.parameters or '-'}",
        _worst(max, (r.forward_gain for r in group), ".4g"),
        _worst(max, (r.rows for r in group), ".0e"),
        _worst(max, (r.columns for r in group), ".0e"),
        _worst(min, (r.sensitivity for r in group), ".2g"),
        group[0].mixing or "-",
        orientations.get(c.name) or "?",
        _worst(max, (r.recomputed for r in group), ".0e"),
    )


def _worst(of: Any, values: Iterable[Optional[float]], form: str) -> str:
    known = [v for v in values if v is not None and not math.isnan(v)]
    return format(of(known), form) if known else "-"
