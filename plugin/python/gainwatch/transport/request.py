"""A request to the monitor from the background thread: made on the other thread, with a deadline for all of it, and its outcome said."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from typing import Any, Callable

from . import timing
from .address import clean
from .answers import DONE, REFUSED, TAKEN, Outcome, is_run_answer, is_steps_answer, outcome_of
from .exchange import Exchange, abort
from .state import State, headers_of, say
from .taken import got, note

STEP, BATCH = "application/vnd.gainwatch.step", "application/vnd.gainwatch.batch"


def put(state: State, said: dict[str, Any]) -> Outcome:
    """Opens or closes the run."""
    return _request(state, "PUT", "", json.dumps(said).encode(), "application/json", is_run_answer)


def post(state: State, bodies: list[bytes]) -> Outcome:
    """Sends steps of one attempt."""
    if len(bodies) == 1:
        return _request(state, "POST", "/steps", bodies[0], STEP, is_steps_answer)
    data = b"".join(len(body).to_bytes(8, "little") + body for body in bodies)
    return _request(state, "POST", "/steps", data, BATCH, is_steps_answer)


def _request(
    state: State,
    method: str,
    tail: str,
    data: bytes,
    kind: str,
    understood: Callable[[dict[str, Any]], bool],
) -> Outcome:
    path = f"/api/v1/runs/{state.run}{tail}"
    headers = {**headers_of(state), "Content-Type": kind}
    if headers.get("Content-Encoding") == "gzip":
        data = gzip.compress(data, 1)
    exchange = _exchanged(state, Exchange(method, path, data, headers))
    outcome = outcome_of(exchange, state.run, f"{method} {state.url}{path}", understood)
    if outcome.kind == DONE:
        got(state)
        return outcome
    state.errors += 1
    state.reason = clean(outcome.why, state.token)
    if outcome.kind == TAKEN and len(state.spool):
        note(state, outcome.free, outcome.rule)
        return outcome
    if outcome.kind == TAKEN:  # with nothing to send, another name would hold an empty run
        outcome = replace(outcome, kind=REFUSED, what=(method, outcome.status, "free"))
    state.asked = outcome.asked
    say(state, outcome.what, outcome.why + outcome.then)
    return outcome


def _exchanged(state: State, exchange: Exchange) -> Exchange:
    """Takes in records until there is an answer, or it has been waited for long enough."""
    if state.exchange is not None and not state.exchange.done.is_set():
        # it looks up a name, or connects
        exchange.error = TimeoutError("the request before has not ended yet")
        return exchange
    state.exchange, started = exchange, time.monotonic()
    state.exchanges.put(exchange)
    while True:
        until = min(started + timing.TIMEOUT_SECONDS, max(state.deadline, started + 0.1))
        left = until - time.monotonic()
        if exchange.done.wait(max(0.0, min(timing.FLUSH_SECONDS, left))):
            return exchange
        if left <= 0:
            abort(state.link, exchange)
            error = TimeoutError(f"no answer within {time.monotonic() - started:.0f} s")
            return Exchange(exchange.method, exchange.path, b"", {}, error=error)
        state.take_in()
