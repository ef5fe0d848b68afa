"""What the tests of the transport have in common: a monitor, a sender of records to it, and what was said. No test."""

from __future__ import annotations

import contextlib
import unittest
from collections import Counter
from typing import Any
from unittest import mock

import numpy as np

from gainwatch.transport import Sender, timing
from gainwatch.wire.body import Encoding, encode
from gainwatch.wire.record import Listing

from ..support import JSON, Answer, Noted, Server, listed, record_of, refusal

SECRET = "SECRET0123456789"
HTML = {"Content-Type": "text/html"}
LISTING = Listing((listed("block0"), listed("block1")))
MATRICES = [np.broadcast_to(np.eye(4), (8, 4, 4))] * 2


def in_another_training(free: str) -> Answer:
    """What a monitor answers of a run that goes on elsewhere."""
    rule = f"must not be one that goes on in another training; choose another name: {free} is free"
    return 409, JSON, refusal(rule, free=free)


class Sending(unittest.TestCase):
    """A server and what is said; `start` makes a sender that is closed with the test."""

    def setUp(self) -> None:
        self.noted = Noted()
        self.server = Server()
        self.addCleanup(lambda: self.server.close())
        self.patch(timing, "FLUSH_SECONDS", 0.05)

    def patch(self, module: Any, name: str, value: Any) -> None:
        """Until the end of the test."""
        self.within(mock.patch.object(module, name, value))

    def within(self, context: contextlib.AbstractContextManager[Any]) -> Any:
        """enterContext, which is of Python 3.11."""
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def start(self, steps: int = 0, **options: Any) -> Sender:
        """A sender of a described run, which was given steps 1, 2, …"""
        given = {
            "url": self.server.url,
            "run": "test",
            "token": None,
            "identity": {"rank": 0, "world_size": 1},
            "memory_limit": 64 << 20,
            "disk_limit": 64 << 20,
            "key": "key-of-the-test",
            "faults": self.noted,
        }
        self.noted = options.get("faults", self.noted)
        sender = Sender(
            **{"encode": lambda record: encode(record, Encoding(self.noted)), **given, **options}
        )
        sender.describe({"streams": 4, "tokens": 8, "order": ["block0", "block1"]})
        sender.start()
        self.addCleanup(lambda: sender.close("unknown", "a", 0.1))
        self.train(sender, steps)
        return sender

    def train(self, sender: Sender, steps: int, first: int = 1, attempt: str = "a") -> None:
        """As a training of so many steps."""
        for step in range(first, first + steps):
            sender.put(record_of(step, MATRICES, LISTING, attempt=attempt))

    def close(self, sender: Sender, seconds: float = 10, outcome: str = "completed") -> None:
        """As a training that ends."""
        sender.close(outcome, "a", seconds)

    def asked(self, run: str = "test") -> Counter[tuple[str, bool]]:
        """How often the run was sent, by method and whether it was steps."""
        paths = [(method, path.split("/")) for method, path in self.server.paths]
        return Counter((method, parts[-1] == "steps") for method, parts in paths if parts[4] == run)
