"""The self-test: what the connections are when they are first seen, one row for each; as it is
sent, and as it is logged. Pure functions; not when it is made and who hears of it (`running`), nor
what is wrong with a connection (`findings`)."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor

from ..guard import names
from ..wire.record import Listed
from .findings import Finding, Measured, findings, rounding
from .sensitivity import sensitivities

EVEN = 0.1  # of the differences between the streams, at most so much is left by an even mixing
IDENTITY = 0.1  # norm of H - I, at most, of one that is near the identity
LINES = 20  # of the table that is logged, at most
MOST_FINDINGS, LONGEST_FINDING, LONGEST_DTYPE = 8, 300, 32  # what the monitor takes

Stored = Mapping[str, Optional[str]]  # by name: H or comb, None where it was not seen


class Seen(NamedTuple):
    """A connection's first sample. h [S, n, n], as applied; stored, reference [T, n, n]: as stored,
    and worked out anew."""

    connection: Listed
    h: Tensor
    stored: Tensor
    reference: Optional[Tensor]


@dataclass
class Row:
    """Of one connection, at its start."""

    connection: Listed
    measured: Measured
    findings: list[Finding]


def rows_of(seen: Sequence[Seen], others: Container[str] = ()) -> list[Row]:
    """A row for each. others: adapters whose mappings were found to be another formula's, so that
    nothing is known of the logits of one that is not recomputed."""
    moves = sensitivities([one.connection for one in seen], [one.h for one in seen])
    rows = []
    for one, moved in zip(seen, moves):
        unknown = one.reference is None and one.connection.adapter in others
        measured = measure(one, None if unknown else moved)
        rows.append(Row(one.connection, measured, list(findings(one.connection, measured, one.h))))
    return rows


def measure(seen: Seen, sensitivity: Optional[float]) -> Measured:
    """Nothing of a sample that is not finite."""
    h = seen.h.double()
    if not bool(torch.isfinite(h).all()):
        return Measured()
    off = _difference(seen)
    if is_other(off, seen.connection):
        sensitivity = None  # it is no Sinkhorn that is known, and what its logits do is not known
    return Measured(
        float(h.sum(2).abs().amax(1).mean()),
        float((h.sum(2) - 1).abs().max()),
        float((h.sum(1) - 1).abs().max()),
        sensitivity,
        mixing(h),
        off,
    )


def is_other(off: Optional[float], connection: Listed) -> bool:
    """Whether a mapping that is so far from its recomputation is another formula's."""
    return off is not None and not off <= rounding(connection)


def mixing(h: Tensor) -> Optional[str]:
    """ "even", "near identity" or "mixed", of [S, n, n] in the mean over the tokens: by what is
    left of the differences between the streams, and by how far it is from the identity."""
    n = h.shape[-1]
    if n == 1:
        return None
    eye = torch.eye(n, dtype=h.dtype)
    apart = eye - 1 / n
    if float(torch.linalg.matrix_norm(apart @ h @ apart, 2).mean()) < EVEN:
        return "even"
    near = float(torch.linalg.matrix_norm(h - eye, 2).mean()) < IDENTITY
    return "near identity" if near else "mixed"


def _difference(seen: Seen) -> Optional[float]:
    if seen.reference is None:
        return None
    reference = seen.reference.detach().double().cpu()
    return float((seen.stored[: len(reference)].double() - reference).abs().max())


def sent(rows: Iterable[Row], stored: Stored) -> list[dict[str, Any]]:
    """As `SelfTest` of openapi.yaml has it."""
    return [
        {
            "connection": row.connection.name,
            "dtype": row.connection.parameters and row.connection.parameters[:LONGEST_DTYPE],
            "forward_gain": row.measured.forward_gain,
            "row_deviation": row.measured.rows,
            "column_deviation": row.measured.columns,
            "sensitivity": row.measured.sensitivity,
            "mixing": row.measured.mixing,
            "orientation": stored.get(row.connection.name),
            "findings": [f.text[:LONGEST_FINDING] for f in row.findings[:MOST_FINDINGS]],
        }
        for row in rows
    ]


def warnings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(code, words) of each thing that is wrong: which connections have it, and the worst of
    them."""
    by_code: dict[str, list[tuple[str, Finding]]] = {}
    for row in rows:
        for finding in row.findings:
            by_code.setdefault(finding.code, []).append((row.connection.name, finding))
    said = []
    for code, found in by_code.items():
        worst = max((finding for _, finding in found), key=lambda finding: finding.size)
        said.append((code, f"{names([name for name, _ in found])} {worst.text}"))
    return said


HEADINGS = (
    *("connection", "kind", "sums", "mapping/parameters", "gain", "rows off", "columns off"),
    *("dH/dlogits", "mixing", "stored", "recomputed"),
)


def lines(rows: Sequence[Row], stored: Stored) -> list[str]:
    """The table. Rows that are alike but for their numbers are one, with the worst of each."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(_likeness(row, stored), []).append(row)
    shown = list(groups.values())[: LINES - 2]
    cells = [HEADINGS, *(_cells(group, stored) for group in shown)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    made = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    left = len(groups) - len(shown)
    return made + ([f"… and {left} more groups of connections"] if left else [])


def _likeness(row: Row, stored: Stored) -> tuple[Any, ...]:
    c = row.connection
    codes = tuple(finding.code for finding in row.findings)
    return c.kind, c.bounded, c.dtype, c.parameters, row.measured.mixing, stored.get(c.name), codes


def _cells(group: Sequence[Row], stored: Stored) -> tuple[str, ...]:
    c, measured = group[0].connection, [row.measured for row in group]
    return (
        names([row.connection.name for row in group]),
        c.kind,
        c.bounded or "?",
        f"{c.dtype or '?'}/{c.parameters or '-'}",
        _worst(max, (m.forward_gain for m in measured), ".4g"),
        _worst(max, (m.rows for m in measured), ".0e"),
        _worst(max, (m.columns for m in measured), ".0e"),
        _worst(min, (m.sensitivity for m in measured), ".2g"),
        measured[0].mixing or "-",
        stored.get(c.name) or "?",
        _worst(max, (m.recomputed for m in measured), ".0e"),
    )


def _worst(of: Callable[[list[float]], float], values: Iterable[Optional[float]], form: str) -> str:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return format(of(known), form) if known else "-"
