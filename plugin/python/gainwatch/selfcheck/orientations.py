"""How the mappings of each adapter are applied: found once of all its connections, by what most of
them show (`pairs`). Not what is done with it (`running`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..guard import log
from . import pairs

MAJORITY = 4  # times as many connections must say so as say the other
PATIENCE = 4  # looks (step 8) after which it is said that it cannot be seen
Group = tuple[str, bool]  # the adapter, and whether it takes its mappings transposed


@dataclass
class Orientations:
    """What was found so far: "as given" or "transposed"."""

    found: dict[Group, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Of all that could be seen: "as given", "transposed" of some, "undetermined"."""
        found = set(self.found.values())
        return "transposed" if "transposed" in found else "as given" if found else "undetermined"


def decide(
    orientations: Orientations, seen: Sequence[tuple[Group, pairs.Pair]], looks: int, step: int
) -> list[Group]:
    """The groups that are found now, by the pairs of a step; looks: how many there were, this one
    too."""
    votes: dict[Group, Counter[str]] = {}
    for group, pair in seen:
        if group not in orientations.found:
            votes.setdefault(group, Counter())[pairs.orientation(pair)] += 1
    decided = []
    for group, count in votes.items():
        given, turned, compared = count["as given"], count["transposed"], sum(count.values())
        if max(given, turned) >= max(1, MAJORITY * min(given, turned)):
            orientations.found[group] = "as given" if given > turned else "transposed"
            decided.append(group)
            _tell(group, given, turned, compared, step)
        elif count["neither"] > compared / 2 and looks == PATIENCE:
            log.warning(
                "self-check at step %d: between %d of %d connections (%s) the streams change by "
                "more than the mapping and one branch: something else is between them, or the "
                "mapping is another tensor; how it is applied cannot be seen",
                *(step, count["neither"], compared, group[0]),
            )
    return decided


def _tell(group: Group, given: int, turned: int, compared: int, step: int) -> None:
    if given > turned:
        log.debug(
            "self-check at step %d: the orientation is right (%s, %d of %d connections)",
            *(step, group[0], given, compared),
        )
    else:
        log.warning(
            "self-check at step %d: the mappings (%s) are applied transposed to how they are read "
            "(%d of %d connections): read as their transposed from now on",
            *(step, group[0], turned, compared),
        )
