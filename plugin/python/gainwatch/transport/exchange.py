"""One HTTP request and its answer, over a connection that is kept. No redirect is followed, no proxy asked, no login given: a token
goes to the address given only. Knows no meaning of an answer (answers.py) and no time to ask again (timing.py).
"""

from __future__ import annotations

import queue
import socket
import threading
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import urlsplit

from . import timing

MAX_ANSWER_BYTES = 4 << 20  # more is read by nobody


@dataclass
class Link:
    """The way to one monitor, used by one thread. socket: of the connection that was made last; connects: how many were made."""

    url: str
    pool: Any = None
    socket: Any = None
    connects: int = 0


@dataclass
class Exchange:
    """A request; when `done`, its answer: status 0 and `error` where there is none."""

    method: str
    path: str
    data: bytes
    headers: dict[str, str]
    done: threading.Event = field(default_factory=threading.Event)
    status: int = 0
    answer: Any = None  # its headers, by name in any case
    text: bytes = b""
    error: Optional[BaseException] = None
    aborted: bool = False

    def said(self, name: str, default: str = "") -> str:
        """A header of the answer."""
        return default if self.answer is None else str(self.answer.get(name, default))


def serve(link: Link, exchanges: queue.SimpleQueue[Optional[Exchange]]) -> None:
    """Makes requests as they come, until None; the thread of its own that waits for answers."""
    for exchange in iter(exchanges.get, None):
        run(link, exchange)
    if link.pool is not None:
        link.pool.close()


def run(link: Link, exchange: Exchange) -> None:
    """Makes the request."""
    try:
        _ask(link, exchange)
    except Exception as error:
        exchange.error = _cause(error)
    finally:
        exchange.done.set()


def abort(link: Link, exchange: Exchange) -> None:
    """Ends a request that is under way, from another thread."""
    exchange.aborted = True
    try:
        if link.socket is not None:
            link.socket.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended


def _ask(link: Link, exchange: Exchange) -> None:
    from urllib3.exceptions import ProtocolError

    if link.pool is None:
        link.pool = _pool(link)
    before = link.connects
    try:
        response = _send(link, exchange)
    except ProtocolError:
        if link.connects != before or exchange.aborted:
            raise
        # The connection was kept, and had been closed. A body may come twice: it is stored once.
        response = _send(link, exchange)
    text = response.read(MAX_ANSWER_BYTES + 1, decode_content=False)
    if len(text) > MAX_ANSWER_BYTES:
        response.close()
    else:
        response.release_conn()
    exchange.text, exchange.answer, exchange.status = (
        text[:MAX_ANSWER_BYTES],
        response.headers,
        response.status,
    )


def _send(link: Link, exchange: Exchange) -> Any:
    path = urlsplit(link.url).path.rstrip("/") + exchange.path
    options = {
        "redirect": False,
        "retries": False,
        "preload_content": False,
        "decode_content": False,
    }
    return link.pool.urlopen(
        exchange.method, path, body=exchange.data, headers=exchange.headers, **options
    )


def _pool(link: Link) -> Any:
    """One connection; its socket is noted, so that another thread can end it."""
    import urllib3

    parts = urlsplit(link.url)
    kind: Any = (
        urllib3.HTTPSConnectionPool if parts.scheme == "https" else urllib3.HTTPConnectionPool
    )
    timeout = urllib3.Timeout(timing.TIMEOUT_SECONDS)  # of a single read or write
    pool = kind(parts.hostname, parts.port, maxsize=1, retries=False, timeout=timeout)

    class Noted(pool.ConnectionCls):  # type: ignore[misc, name-defined]
        def connect(self) -> None:
            link.connects += 1
            super().connect()
            link.socket = self.sock

    pool.ConnectionCls = Noted
    return pool


def _cause(error: BaseException) -> BaseException:
    """Of what urllib3 raises, the error of the system or of TLS, where it is one."""
    at: Optional[BaseException] = error
    while at is not None and not isinstance(at, OSError):
        at = at.__cause__ or at.__context__
    return at or error
