"""Takes records from the training thread and brings them to the monitor in the background: a thread makes bodies of them, keeps those
that are not acknowledged and sends them in their order; one more waits for the answers, so that records are taken in meanwhile.
"""

from __future__ import annotations

import atexit
import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..spool import Spool, sweep
from ..wire.plain import plain
from . import timing
from .delivery import deliver
from .exchange import Link, serve
from .state import State, say

if TYPE_CHECKING:
    from ..guard import Faults
    from ..wire.record import StepRecord

LEAST_QUEUE_BYTES = 1 << 20  # of records that are not bodies yet, whatever memory_limit is


class Sender:
    """url, token: as transport.address allows them. identity: rank, world_size, … of this process, in the PUT of its run.
    memory_limit, disk_limit: bytes of bodies that wait. encode: a record's body; None: there is nothing to send of it.

    `start`, `describe`, `put` and `close` are called by the training's thread, and wait for nothing but `close`.
    """

    def __init__(
        self,
        url: str,
        run: str,
        token: Optional[str],
        identity: dict[str, Any],
        memory_limit: int,
        disk_limit: int,
        key: str,
        encode: Callable[[StepRecord], Optional[bytes]],
        faults: Faults,
    ) -> None:
        spool = Spool(memory_limit, disk_limit, faults)
        self._state = State(
            Link(url),
            run,
            key,
            token,
            identity,
            faults,
            spool,
            self._take_in,
            reason=f"{url} does not answer",
        )
        self._encode, self._most_bytes = encode, max(memory_limit, LEAST_QUEUE_BYTES)
        self._records: queue.SimpleQueue[tuple[int, StepRecord]] = queue.SimpleQueue()
        # Each is written by one thread: a signal may close in the midst of `put`, and no lock is held then.
        self._put_bytes, self._taken_bytes, self._refused = 0, 0, 0
        self._lock = threading.Lock()  # of what is said of the run
        self._opening: dict[str, Any] = {}
        self._self_test: Optional[list[dict[str, Any]]] = None
        self._failed = False  # the last time that all was to be sent
        self._done, self._left = threading.Event(), 0  # samples that were not sent
        self._seconds = 0.0  # that close() has
        self._chance = random.Random().random  # the training's own is left alone
        self._thread = threading.Thread(target=self._run, name="gainwatch", daemon=True)

    @property
    def run_name(self) -> str:
        """Of the run, another than asked for where that went on in another training."""
        return self._state.run

    @property
    def key(self) -> str:
        """Shows the monitor whose the run is."""
        return self._state.key

    @property
    def dropped(self) -> int:
        """Samples that are lost."""
        return self._state.dropped + self._refused

    @property
    def errors(self) -> int:
        """Requests that failed or were refused."""
        return self._state.errors

    @property
    def acknowledged(self) -> int:
        """Samples that are in the monitor's recording."""
        return self._state.acknowledged

    @property
    def reason(self) -> str:
        """Why the last request that failed did, without secrets."""
        return self._state.reason

    def start(self) -> None:
        """Begins to send."""
        link, exchanges = self._state.link, self._state.exchanges
        threading.Thread(
            target=serve, args=(link, exchanges), name="gainwatch-http", daemon=True
        ).start()
        self._thread.start()

    def describe(self, opening: dict[str, Any]) -> None:
        """What the open PUT says of the connections (`RunState` of openapi.yaml, without state, identity and attempt). Called again where
        there is more to say: then it is sent again, with what is sent next."""
        started = {"started": self._opening.get("started", int(time.time() * 1000))}
        said = {**self._state.identity, **started, **opening}
        with self._lock:
            self._opening = {"state": "open", **plain(said, self._strange)}
            self._say_opening()

    def attest(self, self_test: list[dict[str, Any]]) -> None:
        """What the self-test found of the connections (`SelfTest` of openapi.yaml), by any thread: said with the opening."""
        with self._lock:
            self._self_test = self_test
            if self._opening:
                self._say_opening()

    def _say_opening(self) -> None:
        found = {} if self._self_test is None else {"self_test": self._self_test}
        self._state.opening = {**self._opening, **found}

    def put(self, record: StepRecord) -> None:
        """A step to be sent. Dropped and counted where those that are not bodies yet have too many bytes."""
        size, queued = 4 * record.values.size, self._put_bytes - self._taken_bytes
        if queued > 0 and queued + size > self._most_bytes:
            self._refused += 1
            return
        self._put_bytes += size
        self._records.put((size, record))

    def close(self, outcome: str, attempt: str, seconds: float, wait: bool = True) -> None:
        """Sends what waits, and the outcome (completed, interrupted, failed, unknown): so many seconds at most. Says what was not sent.
        wait: else that is done beside what follows, and waited for when the interpreter goes."""
        state = self._state
        state.ending = {"state": "closed", "attempt": attempt, **state.identity, "outcome": outcome}
        state.deadline = time.monotonic() + seconds
        self._seconds = seconds
        state.stopping.set()
        if wait:
            self._wait()
        else:
            atexit.register(self._wait)

    def _wait(self) -> None:
        if self._thread.is_alive() and not self._done.wait(self._seconds + 1):
            self._state.spool.abandon()
            self._say_left()

    def _say_left(self) -> None:
        state = self._state
        left = self._left + len(state.spool) + self._records.qsize()
        if left:
            why = f"the monitor did not take them within {self._seconds:g} s ({state.reason})"
            say(state, "not sent", f"{left} samples were not sent: {why}")

    def _strange(self, value: Any) -> None:
        text = f"of what is said of the run, a {type(value).__name__} is no number, and is left out"
        say(self._state, ("strange", type(value)), text)

    # in the background

    def _run(self) -> None:
        state, pace = self._state, timing.Pace(time.monotonic() + timing.FLUSH_SECONDS)
        try:
            sweep()
            while True:
                self._take_in_until(pace.due)
                stopping, now = state.stopping.is_set(), time.monotonic()
                if stopping and now >= state.deadline:
                    break
                if stopping and not timing.may_try(pace, now, state.deadline, bool(state.free)):
                    continue
                sent = self._sent()
                if stopping and sent and self._records.empty():
                    break
                pace = timing.after_try(
                    pace,
                    time.monotonic(),
                    sent=sent,
                    asked=state.asked,
                    stopping=stopping,
                    taken=bool(state.free),
                    deadline=state.deadline,
                    chance=self._chance,
                )
        finally:
            self._left = state.spool.close()
            self._say_left()
            state.exchanges.put(None)
            self._done.set()
            atexit.unregister(self._wait)

    def _sent(self) -> bool:
        self._failed = True
        try:
            self._failed = not deliver(self._state, self._records.empty)
        except Exception as error:
            self._state.faults.count("a batch could not be sent", error)
        return not self._failed

    def _take_in_until(self, until: float) -> None:
        """Some at a time: each wake-up takes the interpreter from the training thread."""
        stopping = self._state.stopping
        while True:
            ending = stopping.is_set()
            left = max(0.0, until - time.monotonic())
            if ending and self._failed:
                time.sleep(min(0.2, left))
            else:
                stopping.wait(min(timing.FLUSH_SECONDS, left))
            self._take_in()
            if ending or stopping.is_set() or time.monotonic() >= until:
                return

    def _take_in(self) -> None:
        """Makes bodies of the records that wait."""
        while not self._records.empty():
            size, record = self._records.get_nowait()
            try:
                body = self._encode(record)
                if body is None:
                    self._state.lost += 1
                else:
                    self._state.spool.keep(record.attempt, body)
            except Exception as error:
                self._state.lost += 1
                self._state.faults.count("a sample could not be made", error)
            finally:
                self._taken_bytes += size
