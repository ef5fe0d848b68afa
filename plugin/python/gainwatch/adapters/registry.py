"""Which adapters there are, and who is asked first. Not what they know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Optional

from ..guard import Faults
from .protocol import MAX_STREAMS, Adapter, Found

_own: list[Adapter] = []


def register(adapter: Adapter) -> None:
    """Has `watch` ask this adapter before those that gainwatch brings; the one registered last is asked first.

    @raises ValueError where it is no Adapter.
    """
    if not isinstance(adapter, Adapter):
        raise ValueError(f"adapter: must be a gainwatch.Adapter (given {type(adapter).__name__})")
    _own.insert(0, adapter)


class Recognised(NamedTuple):
    """A module of the model that has connections."""

    name: str
    module: Any
    adapter: Adapter
    found: tuple[Found, ...]


def recognise(
    name: str, module: Any, adapters: Iterable[Adapter], faults: Faults
) -> Optional[Recognised]:
    """By the first adapter that knows it.

    @raises ValueError where it has more streams than the monitor takes.
    """
    for adapter in (*_own, *adapters):
        try:
            found = tuple(adapter.recognise(module))
        except Exception as error:
            faults.count(f"{name}: the adapter {adapter.name} cannot look at it", error)
            continue
        for one in found:
            if not 0 <= one.n <= MAX_STREAMS:
                raise ValueError(
                    f"model: a connection must have 1 to {MAX_STREAMS} streams (given {one.n} in {name}, {adapter.name})"
                )
        if found:
            return Recognised(name, module, adapter, found)
    return None
