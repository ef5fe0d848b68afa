"""A training that can be watched, and monitors to send to: what the benchmarks of the package for PyTorch share. Measures nothing but the
time of steps."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

root = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(root / "plugin" / "python"), str(root / "test" / "e2e" / "pytorch")]

# Answers as a monitor does. A body of many steps is 8 bytes of length and so many bytes, for each.
SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def count(kind, body):
    at = steps = 0
    while kind.endswith("batch") and at < len(body):
        at, steps = at + 8 + int.from_bytes(body[at:at + 8], "little"), steps + 1
    return steps or 1

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, text):
        self.send_response(200); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text))); self.end_headers(); self.wfile.write(text)
    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))
    def do_PUT(self):
        self.body(); self.answer(json.dumps({"run": self.path.split("/")[4]}).encode())
    def do_POST(self):
        steps = count(self.headers["Content-Type"], self.body())
        self.answer(json.dumps({"accepted": steps, "duplicates": 0, "late": 0, "warnings": []}).encode())
    def log_message(self, *_): pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CLI = root / "dist" / "plugin" / "cli" / "gainwatch.js"
STARTS_SECONDS = 60.0


@contextlib.contextmanager
def monitor(given: argparse.Namespace) -> Iterator[str]:
    """The address of one: --url, a `gainwatch serve` of its own (--serve), or what only answers."""
    if given.url is not None:
        yield given.url
        return
    with socket.create_server(("127.0.0.1", 0)) as free, tempfile.TemporaryDirectory() as runs:
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-c", SERVER, str(port)]
        if given.serve:
            command = ["node", str(CLI), "serve", "--port", str(port), "--runs", runs]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _wait_for(port: int) -> None:
    """@raises OSError where nothing listens there in time"""
    until = time.monotonic() + STARTS_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@dataclass
class Watch:
    """What watches a training. step: called with its loss after each; own: seconds on the training thread that it has counted."""

    step: Callable[[Any], object]
    close: Callable[[], object]
    own: Callable[[], float] = lambda: 0.0


Watcher = Callable[[Any, Any], Watch]  # of a model and its optimizer


def unwatched(model: Any, optimizer: Any) -> Watch:
    """The bare loop."""
    return Watch(lambda loss: None, lambda: None)


def gainwatch_at(url: str) -> Watcher:
    """H_res of each connection, loss and learning rate at every step, to the monitor there."""

    def watcher(model: Any, optimizer: Any) -> Watch:
        import gainwatch

        watching = gainwatch.watch(
            model, url=url, run="bench", optimizer=optimizer, drain_seconds=1
        )
        return Watch(watching.step, watching.close, lambda: watching.counters["overhead_seconds"])

    return watcher


class Training:
    """A model of its own for each way, all alike: what watches stays as it is in a long run."""

    def __init__(self, given: argparse.Namespace, watcher: Watcher, warm: int = 20) -> None:
        import models
        import torch
        from train import text

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.given, self.data = given, text(None)
        self.model = models.LanguageModel(
            given.package, given.kind, given.dim, given.layers, given.length
        ).to(given.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.watch = watcher(self.model, self.optimizer)
        self.number = 0
        self.steps(warm)  # most of the self-check is in these
        self.warm, self.own = warm, self.watch.own()

    def steps(self, count: int) -> tuple[float, float]:
        """Seconds of a step, and processor seconds of the process (all threads) per step."""
        import torch
        import torch.nn.functional as F
        from train import batch

        given = self.given
        batches = [
            batch(self.data, self.number + i, given.batch, given.length) for i in range(count)
        ]
        batches = [(x.to(given.device), y.to(given.device)) for x, y in batches]
        if given.device == "cuda":
            torch.cuda.synchronize()
        cpu, started = time.process_time(), time.perf_counter()
        for x, y in batches:
            self.number += 1
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.watch.step(loss)
        if given.device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / count, (time.process_time() - cpu) / count

    def close(self) -> float:
        """Ends it. Seconds per step that what watches has counted on the training thread."""
        own = (self.watch.own() - self.own) / max(1, self.number - self.warm)
        self.watch.close()
        return own
