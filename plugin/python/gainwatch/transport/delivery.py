"""All that waits, to the monitor: the run opened, its steps in their order, the run closed. When it is tried again is not known here."""

from __future__ import annotations

import time
from typing import Any, Callable

from . import request
from .answers import DONE, REFUSED
from .state import State, say
from .taken import go_over_in_time

BATCH_BYTES = 8 << 20  # of one request: half of what the monitor takes
TOO_MUCH = 413


def deliver(state: State, all_came: Callable[[], bool]) -> bool:
    """Sends all there is. all_came: is there no record that was not taken in? False where the monitor has to be waited for."""
    state.asked = None
    go_over_in_time(state)
    while True:
        attempt, bodies = state.spool.first(state.most, BATCH_BYTES)
        if not bodies:
            break
        if not _open(state, attempt) or not _post(state, bodies):
            return False
        if time.monotonic() > state.deadline:
            return False
    if state.opened is not None and not _open(state, state.opened[0]):  # what was found out since
        return False
    if state.ending is not None and all_came() and state.opening is not None:
        if request.put(state, state.ending).kind not in (DONE, REFUSED):
            return False
        state.opening, state.opened, state.free = None, None, ""
    return True


def _open(state: State, attempt: str) -> bool:
    """The attempt, where it is not open, or another opening has been heard. What is refused is not said again."""
    opening = state.opening
    if opening is None or (
        state.opened is not None and state.opened[0] == attempt and state.opened[1] is opening
    ):
        return True
    if request.put(state, {**opening, "attempt": attempt}).kind not in (DONE, REFUSED):
        return False
    state.opened = (attempt, opening)
    return True


def _post(state: State, bodies: list[bytes]) -> bool:
    """True where the bodies, the first that wait, need not be sent again: they no longer wait."""
    outcome = request.post(state, bodies)
    if outcome.kind == DONE:
        late = min(outcome.answer["late"], len(bodies))  # a monitor of before takes them with 200
        if late:
            state.lost += late
            text = f"{late} steps came after theirs was put together without them, or their attempt had ended: they are lost"
            say(state, "late", f"run {state.run}: {text}")
        state.acknowledged += len(bodies) - late
        _hear(state, outcome.answer)
    elif outcome.kind == REFUSED and len(bodies) > 1:
        # one of them is refused: the others are not to be lost with it
        half = len(bodies) // 2
        if outcome.status == TOO_MUCH:
            state.most = half
        return _post(state, bodies[:half]) and _post(state, bodies[half:])
    elif outcome.kind == REFUSED:
        state.lost += 1
    else:
        return False
    state.spool.remove(len(bodies))
    return True


def _hear(state: State, answer: dict[str, Any]) -> None:
    """The warnings of the run, each once, and once more where it grows worse."""
    for warning in answer.get("warnings", []):
        if isinstance(warning, dict):
            key = tuple(warning.get(name) for name in ("rule", "connection", "severity"))
            where = warning.get("connection") or "the run"
            text = f"{warning.get('severity')} {warning.get('rule')} at step {warning.get('step')}, {where}: {warning.get('message')}"
            say(state, key, text)
