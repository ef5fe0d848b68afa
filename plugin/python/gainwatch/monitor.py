"""`Monitor`: what `watch` returns, and what a training calls. Not what a step's record is made of (`record`), nor how it is sent
(`transport`)."""

from __future__ import annotations

import os
import time
from typing import Any, Optional

from . import names, scalars
from .compiled import taps
from .integrations import ending
from .record import opening_of, record_of
from .wired import Wired, counters, release

OUTCOMES = ("completed", "interrupted", "failed", "unknown")
UNSEEN = 3  # steps without a connection after which that is said


class Monitor:
    """`step` after each optimizer step, `close` at the end; as a context manager it closes with the right outcome.

    Nothing here raises into the training, waits for the device, or changes a number of it. A copy or a pickle of a monitor (of a model that
    holds it) is one that does nothing.
    """

    def __init__(self, wired: Optional[Wired]) -> None:
        self._wired = wired
        self._pid = os.getpid()
        self.closed = wired is None
        if wired is None:
            return
        self._attempt, self._attempts = wired.attempt, 0
        self._last: Optional[int] = None
        self._stepped = time.perf_counter()
        self._unseen = 0
        self._described: Any = None
        wired.undo.append(ending.watch_for(self))
        wired.sender.start()

    def __deepcopy__(self, memo: Any) -> Monitor:
        return Monitor(None)

    def __copy__(self) -> Monitor:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Monitor, (None,)

    @property
    def run(self) -> str:
        """Its name, which is another than asked for where that run went on in another training."""
        return self._wired.sender.run_name if self._wired else ""

    @property
    def key(self) -> str:
        """To be kept with the checkpoint: `watch(key=…, run=…)` of what resumes goes on in the same run at once."""
        return self._wired.sender.key if self._wired else ""

    @property
    def attempt(self) -> str:
        """Names this start of the training."""
        return self._attempt if self._wired else ""

    @property
    def orientation(self) -> str:
        """What the self-check found: "as given", "transposed" (put right since), "undetermined"."""
        return self._wired.check.orientation if self._wired else "undetermined"

    @property
    def streams(self) -> str:
        """What the self-check found between the connections: "apart", "collapsed", "undetermined"."""
        return self._wired.check.streams if self._wired else "undetermined"

    @property
    def counters(self) -> dict[str, float]:
        """overhead_seconds of the training thread, samples_dropped, errors, acknowledged."""
        wired = self._wired
        if wired is None:
            return {"overhead_seconds": 0.0, "samples_dropped": 0, "errors": 0, "acknowledged": 0}
        return {**counters(wired), "acknowledged": wired.sender.acknowledged}

    def step(
        self,
        loss: Any = None,
        *,
        step: Any = None,
        learning_rate: Any = None,
        gradient_norm: Any = None,
    ) -> None:
        """Ends a training step.

        loss, learning_rate, gradient_norm: numbers, or tensors of one element (those on a GPU are read later); what
        cannot be read is left out and said. step: its number, rising, not necessarily by one; the same number again is the
        same step; a smaller one begins the next attempt. It counts by itself where none is given.
        """
        wired = self._wired
        if wired is None or self.closed:
            return
        started, sampler, again = time.perf_counter(), wired.sampler, False
        try:
            if os.getpid() != self._pid:  # no thread has come along, and its lock may be held
                wired.faults.say(
                    "fork",
                    "this process was forked after watch(), and sends nothing: call watch() in the process that trains",
                )
                return
            ending.goes_on()
            number = self._number(step)
            again = number == self._last
            if sampler.active and not again:
                given = {
                    "loss": loss,
                    "learning_rate": learning_rate,
                    "gradient_norm": gradient_norm,
                }
                self._send(wired, number, given, started - self._stepped)
            else:
                taps.drop(sampler)
            self._last = number
            wired.faults.tell()
        except Exception as error:
            wired.faults.count("a step could not be recorded", error)
        try:
            sampler.next((self._last or 0) + 1, again)
        except Exception as error:
            wired.faults.count("the next step's tokens could not be drawn", error)
        now = time.perf_counter()
        sampler.seconds += now - started
        self._stepped = now

    def _number(self, step: Any) -> int:
        assert self._wired is not None
        given = None if step is None else scalars.whole_step(step, self._wired.faults)
        number = given if given is not None else 1 if self._last is None else self._last + 1
        if self._last is not None and number < self._last:
            self._attempts += 1
            self._attempt = f"{self._wired.attempt[:56]}.{self._attempts}"
        return number

    def _send(self, wired: Wired, number: int, given: dict[str, Any], seconds: float) -> None:
        made = record_of(wired, number, self._attempt, given, seconds)
        if made is None:
            self._nothing_ran(wired)
            return
        self._unseen = 0
        if made.listing is not self._described:
            self._described = made.listing
            wired.sender.describe(opening_of(made.listing, wired.sampler.tokens))
        wired.sampler.watched += 1
        wired.sender.put(made)
        if wired.sampler.watched == 2:
            self._tell_of_ranks(wired)

    def _nothing_ran(self, wired: Wired) -> None:
        self._unseen += 1
        parts = wired.sampler.parts
        if self._unseen == UNSEEN and not taps.left_out(len(parts), 0):
            why = "no connection ran (is the model in training mode, and is it the object that was given to watch, not a copy?)"
            if any(part.faults for part in parts):
                why = "the mapping of no connection could be read"
            elif parts[0].adapter.asks_all:
                why += ", or the matcher named none; of a compiled model it is asked in the first step that runs outside of a graph"
            wired.faults.say("unseen", f"nothing is sent: in the last {UNSEEN} steps {why}")

    def _tell_of_ranks(self, wired: Wired) -> None:
        if wired.world_size > 1:
            watching = names.watching(wired.place)
            if watching is not None and watching < wired.world_size:
                wired.faults.say(
                    "ranks",
                    f"watch() was called on {watching} of {wired.world_size} ranks, and the monitor waits for all of them: call it on each, or "
                    "give rank=0, world_size=1 where one is to be watched alone",
                )

    def close(self, outcome: str = "completed") -> None:
        """Sends what waits (drain_seconds at most), tells the monitor the outcome (completed, interrupted, failed, unknown), and leaves the
        model as it was: nothing here holds it from then on."""
        self._end(outcome)

    def _end(self, outcome: str, wait: bool = True) -> None:
        wired = self._wired
        if wired is None or self.closed or os.getpid() != self._pid:
            return
        self.closed = True
        wired.faults.tell()
        try:
            release(wired)
            told = outcome if outcome in OUTCOMES else "unknown"
            wired.sender.close(told, self._attempt, wired.drain_seconds, wait)
        except Exception as error:
            wired.faults.count("the monitor could not be closed", error)

    def __del__(self) -> None:
        """Of one that nobody holds any more, and nobody has closed: what waits is sent beside what follows."""
        try:
            self._end(ending.at_exit(), wait=False)
        except Exception:
            pass  # the interpreter goes

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.close(
            ending.outcome_of_exit(_[0].code) if kind is SystemExit else ending.outcome_of(kind)
        )
