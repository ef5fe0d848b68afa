"""The arguments of `watch`: their defaults, the environment's, and the rules that they follow. Not what is done with them (`watch`)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Optional

from . import names
from .adapters import matcher as matchers
from .transport import address

RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ATTEMPT = re.compile(r"[A-Za-z0-9._:-]{1,64}")
KEY = re.compile(r"[A-Za-z0-9._:-]{8,128}")
KINDS = ("hc", "mhc", "residual", "identity", "orthogonal", "signed", "own")
BOUNDS = ("doubly", "rows", "columns", "spectral", "none")
DEFAULT_URL = "http://127.0.0.1:9464"
MOST = 1 << 31


@dataclass
class Options:
    """As `watch` takes them, with defaults filled in. Its docstring says what each is."""

    url: Optional[str]
    run: Optional[str]
    key: Optional[str]
    attempt: Optional[str]
    token: Optional[str]
    matcher: Optional[matchers.Matcher]
    kind: str
    bounded: Optional[str]
    orientation: str
    tokens: int
    every: int
    stage: int
    stages: int
    replica: Optional[int]
    rank: Optional[int]
    world_size: Optional[int]
    memory_limit: int
    disk_limit: int
    drain_seconds: float

    def __post_init__(self) -> None:
        self.url = _address(self.url or os.environ.get("GAINWATCH_URL") or DEFAULT_URL)
        self.run = self.run if self.run is not None else os.environ.get("GAINWATCH_RUN") or None
        self.attempt = self.attempt or os.environ.get("GAINWATCH_ATTEMPT") or None
        self.key = self.key or os.environ.get("GAINWATCH_KEY") or None
        self.token = address.read_token(self.token)
        rank, world_size = names.ranks()
        self.rank = rank if self.rank is None else self.rank
        self.world_size = world_size if self.world_size is None else self.world_size
        self._texts()
        self._numbers()
        rule(
            self.matcher is None or callable(self.matcher),
            "matcher",
            "must be a function",
            self.matcher,
        )
        if self.matcher is not None:
            matchers.arity(self.matcher)

    def _texts(self) -> None:
        named = "must be 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
        rule(_is(self.run, RUN), "run", named, self.run)
        rule(
            _is(self.attempt, ATTEMPT),
            "attempt",
            "must be 1 to 64 of A-Z a-z 0-9 . _ : -",
            self.attempt,
        )
        rule(
            _is(self.key, KEY), "key", "must be 8 to 128 of A-Z a-z 0-9 . _ : -", _Secret(self.key)
        )
        rule(
            self.orientation in ("H", "comb"),
            "orientation",
            "must be 'H' or 'comb'",
            self.orientation,
        )
        rule(self.kind in KINDS, "kind", f"must be one of {', '.join(KINDS)}", self.kind)
        bounds = f"must be one of {', '.join(BOUNDS)}, or None"
        rule(self.bounded is None or self.bounded in BOUNDS, "bounded", bounds, self.bounded)

    def _numbers(self) -> None:
        whole(self.tokens, "tokens", 1, 4096)
        whole(self.every, "every", 1, MOST)
        whole(self.stages, "stages", 1, 65536)
        whole(self.stage, "stage", 0, self.stages - 1)
        whole(self.world_size, "world_size", 1, MOST)
        whole(self.rank, "rank", 0, (self.world_size or 1) - 1)
        if self.replica is not None:
            whole(self.replica, "replica", 0, MOST)
        whole(self.memory_limit, "memory_limit", 0, 1 << 60)
        whole(self.disk_limit, "disk_limit", 0, 1 << 60)
        number = isinstance(self.drain_seconds, (int, float)) and not isinstance(
            self.drain_seconds, bool
        )
        rule(
            number and 0 <= self.drain_seconds <= 3600,
            "drain_seconds",
            "must be 0 to 3600",
            self.drain_seconds,
        )

    def identity(self) -> dict[str, int]:
        """Which part of the training this process is."""
        assert self.rank is not None and self.world_size is not None
        place = {
            "rank": self.rank,
            "world_size": self.world_size,
            "stage": self.stage,
            "stages": self.stages,
        }
        return place if self.replica is None else {**place, "replica": self.replica}


def _is(text: Any, form: re.Pattern[str]) -> bool:
    return text is None or (isinstance(text, str) and form.fullmatch(text) is not None)


def _address(url: Any) -> str:
    """Without a slash at its end. @raises ValueError that repeats no secret of it"""
    url = url.strip() if isinstance(url, str) else url
    broken = address.address_rule(url)
    if broken:
        shown = (
            re.sub(r".*@", "…@", url, flags=re.DOTALL)
            if isinstance(url, str)
            else type(url).__name__
        )
        shown = re.sub(r"[?#].*", lambda found: f"{found[0][0]}…", shown, flags=re.DOTALL)
        raise ValueError(f"url: {broken} (given {shown!r})")
    return str(url).rstrip("/")


class _Secret:
    """Of what is given, only how long it is."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return (
            f"a text of {len(self._value)}"
            if isinstance(self._value, str)
            else type(self._value).__name__
        )


def whole(value: Any, name: str, low: int, high: int) -> None:
    """@raises ValueError where it is no whole number from low to high"""
    right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    rule(right, name, f"must be a whole number from {low} to {high}", value)


def rule(holds: bool, name: str, text: str, value: Any) -> None:
    """@raises ValueError with the argument, its rule and its value, where the rule does not hold"""
    if not holds:
        raise ValueError(f"{name}: {text} (given {value!r})")
