"""What tests of several rooms use: a monitor that notes what it is sent and answers as it is told, one safetensors body read by the
library, records as the training thread makes them, and waiting. No test, and nothing of a model.
"""

from __future__ import annotations

import gzip
import json
import struct
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np

from gainwatch.guard import Faults
from gainwatch.wire.record import Listed, Listing, StepRecord, Values

JSON = {"Content-Type": "application/json; charset=utf-8"}
Answer = tuple[int, dict[str, str], bytes]
Behaviour = Union[str, int, Callable[[str, str, bytes], Optional[Answer]]]


class Body(NamedTuple):
    """One safetensors body. metadata: texts as they were sent; tensors: float32 by name."""

    metadata: dict[str, str]
    tensors: dict[str, Any]
    order: list[str]
    step: int

    def listed(self, field: str) -> Any:
        """A list or an object of the metadata."""
        return json.loads(self.metadata[field])


def parse(body: bytes) -> Body:
    """A body, as the library reads it."""
    from safetensors.numpy import load

    (length,) = struct.unpack_from("<Q", body)
    header = json.loads(body[8 : 8 + length])
    metadata = header.get("__metadata__", {})
    assert length % 8 == 0 and all(isinstance(text, str) for text in metadata.values())
    return Body(metadata, load(body), json.loads(metadata["order"]), int(metadata["step"]))


def bodies_of(data: bytes) -> list[bytes]:
    """The safetensors bodies of a POST, one or a batch; none where it is JSON."""
    if data[:1] == b"{":
        return []
    if data[8:9] == b"{":
        return [data]
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def numbers_of(data: bytes) -> list[int]:
    """The steps of a POST."""
    return [parse(body).step for body in bodies_of(data)]


def refusal(rule: str, field: str = "run", **more: Any) -> bytes:
    """The answer of a monitor that refuses."""
    return json.dumps({"error": {"field": field, "rule": rule, "value": "test", **more}}).encode()


class Server:
    """Notes what it is sent. behaviour: "ok", "hang", a status that it answers, or a function of (method, path, data) that returns
    status, headers and body, or None for what "ok" does. Connections are kept, as the monitor keeps them."""

    def __init__(self, port: int = 0) -> None:
        self.steps: list[Body] = []
        self.puts: list[dict[str, Any]] = []
        self.behaviour: Behaviour = "ok"
        self.headers: list[dict[str, str]] = []
        self.paths: list[tuple[str, str]] = []
        self.warnings: list[dict[str, Any]] = []
        self.connections = 0
        self.trickle = False  # one byte of the answer after another, without end
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def handle_any(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    data = gzip.decompress(data)
                outer.headers.append(dict(self.headers))
                outer.paths.append((self.command, self.path))
                if outer.behaviour == "hang":
                    self.close_connection = True
                    outer.release.wait(60)
                    return
                status, headers, answer = outer.answer(self, data)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                while outer.trickle:
                    self.wfile.write(b" ")
                    time.sleep(0.1)
                self.wfile.write(answer)
                self.close_connection = self.close_connection or outer.release.is_set()

            do_PUT = do_POST = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads, block_on_close, allow_reuse_address = True, False, True

            def handle_error(self, *_: Any) -> None:
                pass

            def process_request(self, request: Any, client_address: Any) -> None:
                outer.sockets.append(request)
                super().process_request(request, client_address)

        self.sockets: list[Any] = []
        self.http = Quiet(("127.0.0.1", port), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self.http.serve_forever, kwargs=serve, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, data: bytes) -> Answer:
        """As `behaviour` says."""
        how, method = self.behaviour, request.command
        own = how(method, request.path, data) if callable(how) else None
        if own is not None:
            return own
        if isinstance(how, int):
            refused = {"error": {"field": "x", "rule": "y", "value": 1}}
            return how, JSON, json.dumps(refused).encode()
        return 200, JSON, json.dumps(self.take(method, data)).encode()

    def take(self, method: str, data: bytes) -> dict[str, Any]:
        """Notes what came, and what a monitor answers."""
        if method == "PUT":
            self.puts.append(json.loads(data))
            return {"run": "test", "attempt": 1}
        found = [parse(body) for body in bodies_of(data)]
        self.steps.extend(found)
        counts = {"accepted": len(found), "duplicates": 0, "late": 0}
        return {**counts, "composite_gain": None, "warnings": self.warnings}

    def arrived(self) -> list[int]:
        """The steps that came, sorted."""
        return sorted(step.step for step in self.steps)

    def forget(self) -> None:
        """What came so far."""
        for kept in (self.steps, self.puts, self.headers, self.paths):
            kept.clear()

    def close(self) -> None:
        """As a process that ends: connections that were kept are gone too."""
        self.release.set()
        self.http.shutdown()
        self.http.server_close()
        for kept in self.sockets:
            try:
                kept.shutdown(2)
            except OSError:
                pass


def wait(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Until it holds. @raises AssertionError after `seconds`"""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise AssertionError("waited for in vain")
        time.sleep(0.01)


class Noted(Faults):
    """Notes what is counted and said instead of logging it. lines: each text of a key once."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[tuple[str, Any]] = []
        self.lines: list[str] = []
        self._known: set[str] = set()

    def count(self, what: str, error: Any) -> None:
        """A fault of ours."""
        self.errors += 1
        self.counted.append((what, error))

    def say(self, key: str, text: str) -> None:
        """Once per key."""
        if key not in self._known:
            self._known.add(key)
            self.lines.append(text)

    def forget(self) -> None:
        """What was said so far."""
        self.lines.clear()
        self._known.clear()

    def said(self, text: str) -> int:
        """In how many lines it is."""
        return len([line for line in self.lines if text in line])


def listed(name: str, n: int = 4, **more: Any) -> Listed:
    """A connection: mHC, doubly bounded, as applied, unless said otherwise."""
    of = {"kind": "mhc", "bounded": "doubly", "convention": None, "transposed": False}
    return Listed(**{"name": name, "n": n, **of, **more})


def record_of(
    step: int = 1,
    matrices: Sequence[Any] = (),
    listing: Optional[Listing] = None,
    present: Optional[Sequence[int]] = None,
    late: Optional[dict[str, float]] = None,
    counts: Optional[dict[int, int]] = None,
    **more: Any,
) -> StepRecord:
    """A record as the training thread makes it: `matrices` [S, n, n], as stored, of those of `present` (all of `listing` unless given).
    counts: by place in `present`."""
    import torch

    given = [np.asarray(matrix, np.float32) for matrix in matrices]
    late, counts = late or {}, counts or {}
    if listing is None:
        listing = Listing(tuple(listed(f"layer{i}", m.shape[-1]) for i, m in enumerate(given)))
    tail = np.array([*late.values(), *counts.values()], np.float32)
    flat = torch.from_numpy(np.concatenate([*(m.ravel() for m in given), tail]))
    fields = {"attempt": "a", "time": 1_700_000_000_000, "step_seconds": 0.05}
    return StepRecord(
        step=step,
        listing=listing,
        present=tuple(range(len(given)) if present is None else present),
        shapes=tuple(m.shape for m in given),
        values=Values(lambda: flat, flat.numel()),
        late=tuple(late),
        counted=tuple(counts),
        **{**fields, **more},
    )
