"""When the monitor is asked again. Numbers and plain functions of them; no clock is read here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional

FLUSH_SECONDS, BACKOFF_SECONDS = 0.5, 30.0
# of one request: the monitor waits 20 s for other ranks and its disk before it answers
TIMEOUT_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 300.0  # our choice: a Retry-After beyond is a mistake
# while the run goes on in another training: how often it is asked for, and how long
TAKEN_ASK_SECONDS, TAKEN_SECONDS = 10.0, 120.0
LAST_TRY_SECONDS = 1.0  # of the time that close() has, kept for a last try
CLOSING_WAIT_SECONDS = 1.0  # at most, between the tries of close()


@dataclass
class Pace:
    """When the next try is due, by time.monotonic(). wait: seconds after the last try, without chance; asked: the monitor has said when;
    tried: since close()."""

    due: float
    wait: float = field(default_factory=lambda: FLUSH_SECONDS)
    asked: bool = False
    tried: bool = False


def may_try(pace: Pace, now: float, deadline: float, at_once: bool) -> bool:
    """Once close() has come, not before the monitor has said, nor all the time; but a last time before the deadline."""
    last = pace.due if pace.due <= deadline else deadline - LAST_TRY_SECONDS
    return at_once or not (pace.asked or pace.tried) or now >= last


def after_try(
    pace: Pace,
    now: float,
    *,
    sent: bool,
    asked: Optional[float],
    stopping: bool,
    taken: bool,
    deadline: float,
    chance: Callable[[], float],
) -> Pace:
    """The pace after a try. asked: seconds that the monitor wants; taken: the run goes on in another training; chance: 0 to 1, so
    that the ranks of a training do not come back all at once (half more at most)."""
    limits = [CLOSING_WAIT_SECONDS] if stopping else []
    wait = FLUSH_SECONDS if sent else min(pace.wait * 2, BACKOFF_SECONDS, *limits)
    has_said = asked is not None and not sent
    pause = wait if sent else (asked if asked is not None else wait) * (1 + chance() / 2)
    last = deadline - LAST_TRY_SECONDS
    due = min(now + pause, last if now < last else deadline)
    if stopping and taken:
        due = min(due, now + FLUSH_SECONDS)
    return Pace(due, wait, has_said, stopping and not sent)


def bounded_retry_after(seconds: float) -> float:
    """What is waited for."""
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
