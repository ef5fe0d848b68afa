"""What is found out of the connections while they train, in the background: the self-test of what is new (`table`), and at the watched steps
1, 2, 4, 8, … what bounds the mappings (`bounds`), how they are applied and whether the streams are kept apart (`pairs`). Mends what the bodies
say of connections, and says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from torch import Tensor

from ..guard import Faults, log
from ..wire.body import as_h
from ..wire.record import Listed, StepRecord
from . import bounds, pairs, table

PATIENCE = 4  # looks (step 8) after which it is said that an orientation cannot be seen
STILL = 7  # looks (step 64) after which it is said that streams are still equal
MAJORITY = 4  # times as many connections must say so as say the other
Group = tuple[str, bool]  # the adapter, and how it takes its mappings: they have one orientation


@dataclass
class Known:
    """A connection that was seen. kind, bounded: what it is believed to be."""

    connection: Listed
    kind: str
    bounded: Optional[str]
    group: Group
    facts: bounds.Facts = field(default_factory=bounds.Facts)
    row: Optional[table.Row] = None


class Check:
    """What was found so far. tell: has the self-test sent."""

    def __init__(self, faults: Faults, tell: Callable[[list[dict[str, Any]]], None]) -> None:
        self.streams = "undetermined"  # apart, collapsed
        self._faults, self._tell = faults, tell
        self._known: dict[str, Known] = {}  # by name
        self._verdicts: dict[Group, str] = {}  # as given, transposed
        self._said: set[str] = set()
        self._looked = 0

    @property
    def orientation(self) -> str:
        """Of all that could be seen: "as given", "transposed" (put right since) of some, "undetermined"."""
        found = set(self._verdicts.values())
        return "transposed" if "transposed" in found else "as given" if found else "undetermined"

    def look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        """mappings: [S, n, n] as stored, one for each of `record.present`; None: it did not run. Mends `Listed.kind`, `.bounded` and
        `.transposed`. Raises nothing."""
        try:
            self._look(record, mappings)
        except Exception as error:
            self._faults.count("the self-check failed", error)

    def _look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        listed = record.listing.connections
        ran = [
            (i, listed[place], m)
            for i, (place, m) in enumerate(zip(record.present, mappings))
            if m is not None
        ]
        fresh = {c.name for _, c, _ in ran if c.name not in self._known}
        if record.streams is None and not fresh:
            return
        for _, connection, _ in ran:
            if connection.name in fresh:
                self._meet(connection)
        if record.streams is not None:
            self._looked += 1
            self._look_at_streams(record, mappings)
        for _, connection, m in ran:
            if record.streams is not None or connection.name in fresh:
                bounds.add(self._known[connection.name].facts, as_h(m, connection), connection.dtype)
        self._mend([self._known[c.name] for _, c, _ in ran], record.step)
        if fresh:
            checked = record.streams or (None,) * len(mappings)
            self._test(
                [
                    table.Seen(c, as_h(m, c), m, getattr(checked[i], "reference", None))
                    for i, c, m in ran
                    if c.name in fresh
                ]
            )

    def _meet(self, connection: Listed) -> None:
        known = Known(
            connection,
            connection.kind,
            connection.bounded,
            (connection.adapter, connection.transposed),
        )
        self._known[connection.name] = known
        if self._verdicts.get(known.group) == "transposed":
            connection.transposed = not connection.transposed

    # how they are applied, and whether the streams are kept apart

    def _look_at_streams(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        listed = record.listing.connections
        as_applied = [
            m if m is None else as_h(m, listed[place]) for place, m in zip(record.present, mappings)
        ]
        found = list(pairs.pairs(record, as_applied))
        if not found:
            if record.counted and not any(record.streams or ()):
                self._say(
                    "compiled",
                    "self-check: the streams within a compiled graph cannot be seen, nor how the mappings are applied: the first step within "
                    'torch.compiler.set_stance("force_eager") shows them',
                )
            return
        groups: dict[Group, Counter[str]] = {}
        for pair in found:
            group = self._known[listed[pair.place].name].group
            groups.setdefault(group, Counter())[pairs.orientation(pair)] += 1
        for group, votes in groups.items():
            if group not in self._verdicts:
                self._decide(group, votes, record.step)
        self._look_at_arrivals([(pair, pairs.arrival(pair)) for pair in found], record)

    def _decide(self, group: Group, votes: Counter[str], step: int) -> None:
        given, turned, compared = votes["as given"], votes["transposed"], sum(votes.values())
        if max(given, turned) < max(1, MAJORITY * min(given, turned)):
            if votes["neither"] > compared / 2 and self._looked == PATIENCE:
                log.warning(
                    "self-check at step %d: between %d of %d connections (%s) the streams change by more than the mapping and one branch: something else is "
                    "between them, or the mapping is another tensor; how it is applied cannot be seen",
                    step, votes["neither"], compared, group[0],
                )  # fmt: skip
            return
        self._verdicts[group] = "as given" if given > turned else "transposed"
        if turned > given:
            for known in self._known.values():
                if known.group == group:
                    known.connection.transposed = not known.connection.transposed
                    known.facts = bounds.Facts()
            log.warning("self-check at step %d: the mappings (%s) are applied transposed to how they are read (%d of %d connections): read as their transposed from now on", step, group[0], turned, compared)  # fmt: skip
        else:
            log.info(
                "self-check at step %d: the orientation is right (%s, %d of %d connections)",
                step,
                group[0],
                given,
                compared,
            )
        self._send()

    def _look_at_arrivals(
        self, found: Sequence[tuple[pairs.Pair, str]], record: StepRecord
    ) -> None:
        step, compared = record.step, len(found)
        counts = Counter(how for _, how in found)
        apart, reduced = counts["apart"], [pair for pair, how in found if how == "reduced"]
        if apart > compared / 2 and self.streams != "apart":
            self.streams = "apart"
            log.info(
                "self-check at step %d: the streams differ at the input of %d of %d connections",
                step,
                apart,
                compared,
            )
        elif len(reduced) > compared / 2 and self.streams == "undetermined":
            self.streams = "collapsed"
            log.warning("self-check at step %d: the streams are equal at the input of %d of %d connections, though the connection before gives different ones: they are reduced to one and expanded between the layers, so H_res mixes copies and composite gains mean nothing", step, len(reduced), compared)  # fmt: skip
        elif reduced and self.streams != "collapsed":
            names = [
                record.listing.connections[place].name
                for place in (reduced[0].place, reduced[0].following)
            ]
            more = f" (and {len(reduced) - 1} times more)" if len(reduced) > 1 else ""
            self._say(
                "reduced",
                f"self-check at step {step}: between {names[0]} and {names[1]}{more} the streams are reduced to one and expanded again: a composite gain across that means nothing",
            )
        elif (
            counts["equal"] == compared and self._looked >= STILL and self.streams == "undetermined"
        ):
            self._say(
                "equal",
                f"self-check at step {step}: the streams are still equal at the input of all {compared} connections: H_res mixes copies so far",
            )

    # what bounds the mappings

    def _mend(self, ran: Sequence[Known], step: int) -> None:
        changed: dict[tuple[str, str], list[str]] = {}
        for known in ran:
            connection = known.connection
            before = connection.kind, connection.bounded
            after = bounds.judge(known.kind, known.bounded, known.facts, connection.dtype)
            if after[1] == "doubly":  # from then on it drifts, or is refuted
                known.kind, known.bounded = after
            if after != before:
                connection.kind, connection.bounded = after
                text = tuple(f"{kind}, {bound or 'not known'}" for kind, bound in (before, after))
                changed.setdefault((text[0], text[1]), []).append(connection.name)
        for (was, now), of in changed.items():
            rest = f" … {of[-1]} ({len(of)})" if len(of) > 1 else ""
            log.info(
                "self-check at step %d: %s%s: kind and bound are %s (taken for %s before)",
                step,
                of[0],
                rest,
                now,
                was,
            )

    # the table

    def _test(self, seen: Sequence[table.Seen]) -> None:
        first = not self._said & {"table"}
        rows = table.rows_of(seen)
        for row in rows:
            self._known[row.connection.name].row = row
        if first:
            self._said.add("table")
            log.info("self-test:\n%s", "\n".join(table.lines(rows, self._orientations())))
        for code, words in table.warnings(rows):
            if code not in self._said:
                self._said.add(code)
                log.warning("self-test: %s", words)
        self._send()

    def _orientations(self) -> dict[str, Optional[str]]:
        """H or comb by name, of those that the streams have shown."""
        return {
            name: ("comb" if known.connection.transposed else "H")
            if known.group in self._verdicts
            else None
            for name, known in self._known.items()
        }

    def _send(self) -> None:
        rows = [known.row for known in self._known.values() if known.row is not None]
        if rows:
            self._tell(table.sent(rows, self._orientations()))

    def _say(self, key: str, text: str) -> None:
        """Once."""
        if key not in self._said:
            self._said.add(key)
            (log.info if key in ("compiled", "equal") else log.warning)("%s", text)
