"""Faults of the monitor's own lines: counted, said once each, and never raised into the training. Not what the monitor answers
(`transport`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

log = logging.getLogger("gainwatch")

LINE = "gainwatch: %(message)s"
LONGEST = 400  # characters of one line


class Faults:
    """What went wrong so far. `errors` counts all, the log has each kind once."""

    def __init__(self) -> None:
        self.errors = 0
        self._said: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._waiting: dict[str, list[str]] = {}

    def count(self, what: str, error: Any) -> None:
        """Counts a fault, and logs it where `what` is new."""
        self.errors += 1
        if what not in self._said:
            self.say(what, f"{what}: {reason(error)}")

    def say(self, key: str, text: str) -> None:
        """Logs a warning where `key` is new."""
        if key not in self._said:
            self._said.add(key)
            log.warning("%s", text[:LONGEST])

    def note(self, layer: str, what: str, why: str) -> None:
        """One of `what` at a layer: `tell` says it, where it is new of that layer."""
        if (layer, what) not in self._told:
            self._told.add((layer, what))
            self._waiting.setdefault(f"{what}: {why}", []).append(layer)

    def tell(self) -> None:
        """Says what was noted: one line for all layers of which the same is to be said."""
        waiting, self._waiting = self._waiting, {}
        for text, layers in waiting.items():
            log.warning("%s", f"{names(layers)}: {text}"[:LONGEST])


def names(of: Sequence[str]) -> str:
    """Shortly: "layers.0.attn … layers.42.ffn (86)"."""
    return ", ".join(of) if len(of) <= 2 else f"{of[0]} … {of[-1]} ({len(of)})"


def reason(error: Any) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {_text(error)}"


def show_lines() -> None:
    """Has the log's lines seen by who has set up no logging, or none for gainwatch."""
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(LINE))
        log.addHandler(handler)


def _text(error: Any) -> str:
    """An exception's own words, in one line; its __str__ may be anybody's."""
    try:
        return " ".join(str(error).split())
    except Exception:
        return "(it cannot be said)"
