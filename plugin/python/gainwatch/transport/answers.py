"""What an answer means: plain functions of it. Sends nothing, and says nothing by itself."""

from __future__ import annotations

import email.utils
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from .exchange import Exchange
from .timing import bounded_retry_after

# What becomes of a request: done; of no use to send again; to be sent again later; to be sent to another run, or later.
DONE, REFUSED, LATER, TAKEN = "done", "refused", "later", "taken"
REFUSED_STATUSES = (400, 409, 413, 415, 422)  # of no use to send again
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
KEPT = ": samples are kept and sent when it answers"


@dataclass(frozen=True)
class Outcome:
    """What became of a request. why: for people, in words of the monitor, not cleaned; what: alike for what is to be said once; free:
    the name for a run that goes on in another training; asked: seconds that the monitor wants to be left alone."""

    kind: str
    answer: dict[str, Any] = field(default_factory=dict)
    what: tuple[Any, ...] = ()
    why: str = ""
    then: str = ""
    status: int = 0
    free: str = ""
    rule: str = ""
    asked: Optional[float] = None


def outcome_of(
    exchange: Exchange, run: str, shown: str, understood: Callable[[dict[str, Any]], bool]
) -> Outcome:
    """run: its name in the request. shown: the request, for people. understood: is it an answer that a monitor gives?"""
    status, answer, method = exchange.status, json_of(exchange), exchange.method
    if 200 <= status < 300 and understood(answer):
        return Outcome(DONE, answer, status=status)
    refusal = answer.get("error")
    refusal = refusal if isinstance(refusal, dict) else {}
    rule = " ".join(str(refusal[name]) for name in ("field", "rule") if refusal.get(name))
    free = refusal.get("free")
    if status == 409 and isinstance(free, str) and RUN.fullmatch(free) and free != run:
        return Outcome(TAKEN, why=f"{shown}: 409 {rule}", status=status, free=free, rule=rule)
    if status < 400:
        what, why = _no_answer(exchange)
        return Outcome(
            LATER,
            what=(method, what),
            why=f"{shown}: {why}",
            then=KEPT,
            status=status,
            asked=retry_after(exchange),
        )
    text = rule or exchange.text[:300].decode(errors="replace").strip()
    kind, then = (REFUSED, "") if status in REFUSED_STATUSES else (LATER, KEPT)
    what = (method, status, refusal.get("field"))
    why = f"{shown}: {status} {text}"
    return Outcome(kind, what=what, why=why, then=then, status=status, asked=retry_after(exchange))


def _no_answer(exchange: Exchange) -> tuple[Any, str]:
    """Of none, of one of a stranger, of a redirect: what is alike, and why it is none."""
    if exchange.status == 0:
        error = exchange.error
        name = type(error).__name__
        return name, str(error) if isinstance(error, (OSError, ValueError)) else f"{name}: {error}"
    if exchange.status < 300:
        kind = exchange.said("Content-Type", "nothing").partition(";")[0]
        why = f"with {kind} that gainwatch serve does not say (a proxy, a login page?)"
        return exchange.status, f"answers {exchange.status} {why}"
    try:
        to = urlsplit(exchange.said("Location"))
        host = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else "another path"
    except ValueError:
        host = "what is no address"
    why = f"to {host}: redirects are not followed, give its own address as url"
    return exchange.status, f"answers {exchange.status} {why}"


def json_of(exchange: Exchange) -> dict[str, Any]:
    """Empty where it is no object of JSON."""
    kind = exchange.said("Content-Type", "application/json").partition(";")[0].strip().lower()
    try:
        found = json.loads(exchange.text) if kind == "application/json" else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def retry_after(exchange: Exchange) -> Optional[float]:
    """Seconds that the answer asks to wait, bounded; None: it asks for none. A date is by the answer's own clock, where it tells it."""
    text = exchange.said("Retry-After").strip()
    try:
        if re.fullmatch(r"[0-9]{1,9}", text):
            return bounded_retry_after(float(text))
        until, now = email.utils.parsedate_to_datetime(text), exchange.said("Date")
        here = email.utils.parsedate_to_datetime(now).timestamp() if now else time.time()
        return bounded_retry_after(until.timestamp() - here)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def is_steps_answer(answer: dict[str, Any]) -> bool:
    """Of a POST of steps."""
    counts = [answer.get(name) for name in ("accepted", "duplicates", "late")]
    whole = all(
        isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts
    )
    return whole and isinstance(answer.get("warnings", []), list)


def is_run_answer(answer: dict[str, Any]) -> bool:
    """Of a PUT of a run."""
    return isinstance(answer.get("run"), str)
