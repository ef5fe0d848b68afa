"""Are the streams kept apart between the connections, or reduced to one and expanded again, so that
there is nothing for H_res to mix? Not how a single pair shows it (`pairs`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..guard import log
from . import bounds, pairs

PATIENCE = 4  # looks (step 8) after which streams that are still equal are one, if H_res has moved
STILL = 7  # looks (step 64) after which it is said that they are still equal

COLLAPSED = (
    "self-check at step %d: the streams are equal at the input of %d of %d connections, though the "
    "connection before gives different ones: they are reduced to one and expanded between the "
    "layers, so H_res mixes copies and composite gains mean nothing"
)
COPIES = (
    "self-check at step %d: the streams are equal at the input of all %d connections, though the "
    "mappings have moved by up to %.1g since they were first seen: H_res mixes copies, and "
    "composite gains mean nothing. Are they reduced to one and expanded between the layers?"
)
EQUAL = (
    "self-check at step %d: the streams are still equal at the input of all %d connections: "
    "H_res mixes copies so far"
)
ONCE = (
    "self-check at step %d: between %s and %s%s the streams are reduced to one and expanded again: "
    "a composite gain across that means nothing"
)


@dataclass
class Arrivals:
    """What was found so far. streams: "apart", "collapsed" or "undetermined"."""

    streams: str = "undetermined"
    said: set[str] = field(default_factory=set)


def decide(
    arrivals: Arrivals,
    seen: Sequence[tuple[str, str, pairs.Pair, bounds.Facts]],
    looks: int,
    step: int,
) -> None:
    """By the pairs of a step, each with the names of its connections and what is known of the
    first; looks: how many there were, this one too. Says what is new."""
    ways = [pairs.arrival(pair) for _, _, pair, _ in seen]
    counts, compared = Counter(ways), len(seen)
    if counts["apart"] > compared / 2 and arrivals.streams != "apart":
        arrivals.streams = "apart"
        log.debug(
            "self-check at step %d: the streams differ at the input of %d of %d connections",
            *(step, counts["apart"], compared),
        )
    if arrivals.streams == "undetermined" and counts["reduced"] > compared / 2:
        arrivals.streams = "collapsed"
        log.warning(COLLAPSED, step, counts["reduced"], compared)
    elif arrivals.streams == "undetermined" and compared == counts["reduced"] + counts["equal"]:
        _of_copies(arrivals, [facts for _, _, _, facts in seen], looks, step)
    elif counts["reduced"] and arrivals.streams != "collapsed" and "once" not in arrivals.said:
        arrivals.said.add("once")
        first, following, *_ = seen[ways.index("reduced")]
        others = counts["reduced"] - 1
        more = f" (and at {others} more places)" if others else ""
        log.warning(ONCE, step, first, following, more)


def _of_copies(arrivals: Arrivals, facts: Sequence[bounds.Facts], looks: int, step: int) -> None:
    """All streams are equal, and a branch may have written the same to each of them."""
    trained = sum(one.has_trained for one in facts)
    if looks >= PATIENCE and trained > len(facts) / 2:
        arrivals.streams = "collapsed"
        log.warning(COPIES, step, len(facts), max(one.drift for one in facts))
    elif looks >= STILL and "equal" not in arrivals.said:
        arrivals.said.add("equal")
        log.info(EQUAL, step, len(facts))
