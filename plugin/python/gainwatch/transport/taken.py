"""A run that goes on in another training: it is asked for again for a while, then all goes to the name that the monitor says is free."""

from __future__ import annotations

import time

from . import timing
from .state import State, say


def note(state: State, free: str, rule: str) -> None:
    """The monitor has said so. rule: in its words; free: a name that it keeps for this training, the same for all its ranks."""
    if not state.free:
        state.taken_since = time.monotonic()
        state.taken_times += 1
        say(
            state,
            ("taken", state.taken_times),
            f"run {state.run} goes on in ANOTHER TRAINING ({rule}): samples are kept, it is asked for every "
            f"{timing.TAKEN_ASK_SECONDS:g} s, and after {timing.TAKEN_SECONDS:g} s this training is sent as run {free}. Name each training (run=, "
            "GAINWATCH_RUN), and give what resumes the key of what it resumes (key=, GAINWATCH_KEY)",
        )
    state.free, state.opened, state.asked = free, None, timing.TAKEN_ASK_SECONDS


def got(state: State) -> None:
    """The monitor has taken something for it."""
    if state.free:
        say(state, ("got", state.taken_times), f"run {state.run} is this training's now")
        state.free = ""


def go_over_in_time(state: State) -> None:
    """To the free name, where it was waited for long enough or nothing follows: nothing is lost to a training that came first."""
    if not state.free:
        return
    if state.stopping.is_set() or time.monotonic() - state.taken_since >= timing.TAKEN_SECONDS:
        text = f"run {state.run} goes on in another training: this one is sent as run {state.free} from now on"
        say(state, ("over", state.taken_times), text)
        state.run, state.free, state.opened = state.free, "", None
