"""What is found out of the connections while they train, in the background: the self-test of what
is new (`table`), and at the watched steps 1, 2, 4, 8, … what bounds the mappings (`bounds`), how
they are applied (`orientations`) and whether the streams are kept apart (`arrivals`). Mends what
the bodies say of the connections, and has the self-test sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from torch import Tensor

from ..guard import Faults, log, names
from ..wire.record import Listed, StepRecord, as_h
from . import arrivals, bounds, orientations, pairs, table

COMPILED = (
    "self-check: the streams within a compiled graph cannot be seen, nor how the mappings are "
    'applied: the first step within torch.compiler.set_stance("force_eager") shows them'
)


@dataclass
class Known:
    """A connection that was seen. kind, bounded: what it is believed to be."""

    connection: Listed
    kind: str
    bounded: Optional[str]
    group: orientations.Group
    facts: bounds.Facts = field(default_factory=bounds.Facts)
    row: Optional[table.Row] = None


class Check:
    """What was found so far. tell: has the self-test sent."""

    def __init__(self, faults: Faults, tell: Callable[[list[dict[str, Any]]], None]) -> None:
        self._faults, self._tell = faults, tell
        self._known: dict[str, Known] = {}  # by name
        self._orientations = orientations.Orientations()
        self._arrivals = arrivals.Arrivals()
        self._said: set[str] = set()
        self._looks = 0

    @property
    def orientation(self) -> str:
        """ "as given", "transposed" (put right since) or "undetermined"."""
        return self._orientations.summary

    @property
    def streams(self) -> str:
        """Between the connections: "apart", "collapsed" or "undetermined"."""
        return self._arrivals.streams

    def asks(self, record: StepRecord) -> bool:
        """A step of a check, or one in which a connection runs that is not known."""
        listed, known = record.listing.connections, self._known
        return record.streams is not None or any(
            listed[place].name not in known for place in record.present
        )

    def look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        """mappings: [S, n, n] as stored, one for each of `record.present`; None: it did not run.
        Mends `Listed.kind`, `.bounded` and `.transposed`. Raises nothing."""
        try:
            self._look(record, mappings)
        except Exception as error:
            self._faults.count("the self-check failed", error)

    def _look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        listed = [record.listing.connections[place] for place in record.present]
        ran = [(i, listed[i], m) for i, m in enumerate(mappings) if m is not None]
        fresh = {c.name for _, c, _ in ran if c.name not in self._known}
        if record.streams is None and not fresh:
            return
        for _, connection, _ in ran:
            if connection.name in fresh:
                self._meet(connection)
        seen = [] if record.streams is None else self._compare(record, mappings)
        for _, connection, m in ran:
            if record.streams is not None or connection.name in fresh:
                facts = self._known[connection.name].facts
                bounds.add(facts, as_h(m, connection), connection.dtype)
        if seen:
            arrivals.decide(self._arrivals, self._named(record, seen), self._looks, record.step)
        self._mend([self._known[c.name] for _, c, _ in ran], record.step)
        checked = record.streams or (None,) * len(mappings)
        self._test(
            [
                table.Seen(c, as_h(m, c), m, getattr(checked[i], "reference", None))
                for i, c, m in ran
                if c.name in fresh
            ]
        )

    def _meet(self, connection: Listed) -> None:
        group = connection.adapter, connection.transposed
        known = Known(connection, connection.kind, connection.bounded, group)
        self._known[connection.name] = known
        if self._orientations.found.get(group) == "transposed":
            connection.transposed = not connection.transposed

    def _compare(
        self, record: StepRecord, mappings: Sequence[Optional[Tensor]]
    ) -> list[pairs.Pair]:
        """The pairs of a step of a check, their mappings as they are found to be applied."""
        self._looks += 1
        seen = _pairs(record, mappings)
        grouped = [(self._at(record, pair.place).group, pair) for pair in seen]
        for group in orientations.decide(self._orientations, grouped, self._looks, record.step):
            if self._orientations.found[group] == "transposed":
                self._turn(group)
                seen = _pairs(record, mappings)
            self._send()
        if record.counted and not any(record.streams or ()) and "compiled" not in self._said:
            self._said.add("compiled")
            log.info(COMPILED)
        return seen

    def _turn(self, group: orientations.Group) -> None:
        for known in self._known.values():
            if known.group == group:
                known.connection.transposed = not known.connection.transposed
                known.facts = bounds.Facts()

    def _at(self, record: StepRecord, place: int) -> Known:
        return self._known[record.listing.connections[place].name]

    def _named(
        self, record: StepRecord, seen: Sequence[pairs.Pair]
    ) -> list[tuple[str, str, pairs.Pair, bounds.Facts]]:
        ends = [(self._at(record, p.place), self._at(record, p.following)) for p in seen]
        return [
            (first.connection.name, following.connection.name, pair, first.facts)
            for (first, following), pair in zip(ends, seen)
        ]

    def _mend(self, ran: Sequence[Known], step: int) -> None:
        changed: dict[tuple[str, str], list[str]] = {}
        for known in ran:
            connection = known.connection
            before = connection.kind, connection.bounded
            after = bounds.judge(known.kind, known.bounded, known.facts, connection.dtype)
            if after[1] == "doubly":  # from then on it is refuted, or drifts
                known.kind, known.bounded = after
            connection.kind, connection.bounded = after
            was, now = (
                f"{kind}, {bound or bounds.KINDS.get(kind, 'not known')}"
                for kind, bound in (before, after)
            )
            if was != now:
                changed.setdefault((was, now), []).append(connection.name)
        for (was, now), of in changed.items():
            text = "self-check at step %d: %s: kind and bound are %s (taken for %s before)"
            log.info(text, step, names(of), now, was)

    def _test(self, seen: Sequence[table.Seen]) -> None:
        if not seen:
            return
        tested = [known.row for known in self._known.values() if known.row is not None]
        others = {
            row.connection.adapter
            for row in tested
            if table.is_other(row.measured.recomputed, row.connection)
        }
        rows = table.rows_of(seen, others)
        for row in rows:
            self._known[row.connection.name].row = row
        if "table" not in self._said:
            self._said.add("table")
            log.info("self-test:\n%s", "\n".join(table.lines(rows, self._stored())))
        for code, words in table.warnings(rows):
            if code not in self._said:
                self._said.add(code)
                log.warning("self-test: %s", words)
        self._send()

    def _stored(self) -> dict[str, Optional[str]]:
        """H or comb by name, where the streams have shown it."""
        return {
            name: None
            if known.group not in self._orientations.found
            else ("comb" if known.connection.transposed else "H")
            for name, known in self._known.items()
        }

    def _send(self) -> None:
        rows = [known.row for known in self._known.values() if known.row is not None]
        if rows:
            self._tell(table.sent(rows, self._stored()))


def _pairs(record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> list[pairs.Pair]:
    listed = [record.listing.connections[place] for place in record.present]
    as_read = [m if m is None else as_h(m, c) for c, m in zip(listed, mappings)]
    return list(pairs.pairs(record, as_read))
