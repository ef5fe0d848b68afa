"""What the background thread knows of its training, its monitor and what waits. Plain data: what changes it are the files beside."""

from __future__ import annotations

import math
import queue
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..version import __version__
from .address import clean, is_loopback
from .exchange import Exchange, Link

if TYPE_CHECKING:
    from ..guard import Faults
    from ..spool import Spool


@dataclass
class State:
    """acknowledged, dropped, errors: of samples, samples and requests. take_in: takes in records while an answer is waited for."""

    link: Link
    run: str
    key: str
    token: Optional[str]
    identity: dict[str, Any]
    faults: Faults
    spool: Spool
    take_in: Callable[[], None] = lambda: None
    exchanges: queue.SimpleQueue[Optional[Exchange]] = field(default_factory=queue.SimpleQueue)
    exchange: Optional[Exchange] = None  # the one that is under way
    # what the open PUT says; another object where it is to be said again
    opening: Optional[dict[str, Any]] = None
    # the attempt and the opening that the monitor has heard
    opened: Optional[tuple[str, dict[str, Any]]] = None
    ending: Optional[dict[str, Any]] = None  # what the closing PUT says
    stopping: threading.Event = field(default_factory=threading.Event)
    deadline: float = math.inf  # of close(), by time.monotonic()
    # bodies of one request; fewer where the monitor has said that they are too much
    most: int = 256
    asked: Optional[float] = None  # seconds that the last answer wants to be left alone
    free: str = ""  # a name for the run while it goes on in another training
    taken_since: float = 0.0
    taken_times: int = 0
    reason: str = ""  # of the last request that failed
    acknowledged: int = 0
    lost: int = 0  # samples, not counting those of the spool
    errors: int = 0

    @property
    def url(self) -> str:
        """Of the monitor."""
        return self.link.url

    @property
    def dropped(self) -> int:
        """Samples that are lost."""
        return self.lost + self.spool.dropped


def headers_of(state: State) -> dict[str, str]:
    """Of every request."""
    headers = {"Gainwatch-Version": "1", "User-Agent": f"gainwatch-python/{__version__}"}
    if state.key:
        headers["Gainwatch-Key"] = state.key
    if state.token:
        headers["Authorization"] = f"Bearer {state.token}"
    if not is_loopback(state.url):  # not worth the time on the way to oneself
        headers["Content-Encoding"] = "gzip"
    return headers


def say(state: State, key: object, text: str) -> None:
    """Once per key, without secrets."""
    state.faults.say(str(key), clean(text, state.token))
