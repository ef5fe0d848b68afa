"""The short way of a connection whose mapping was found before: it stands at the same place of what the method returns, of the same
shape. Where anything is otherwise, `see` asks the adapter."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from torch import Tensor

from ..adapters.protocol import Reading
from .passes import transforming
from .state import Part, Sample, Sampler, Tag, rows


class Place(NamedTuple):
    """Where a mapping was. handed: name of the parameter that is the method's second argument, which tells several connections
    of a module apart; empty: it has one."""

    part: Part
    handed: str
    at: int
    shape: Any
    dtype: Any
    device: Any


def learn(tag: Tag, module: Any, args: tuple[Any, ...], out: Any, reading: Reading) -> None:
    """Notes where the mapping of a reading stands, if it stands in a tuple as it is."""
    mapping = reading.mapping
    if (
        tag.inner
        or tag.adapter.asks_all
        or type(mapping) is not Tensor
        or not isinstance(out, tuple)
    ):
        return
    at = [index for index, value in enumerate(out) if value is mapping]
    handed = "" if len(tag.parts) == 1 else _handed(module, args)
    if len(at) != 1 or handed is None:
        return
    part = tag.parts[reading.part]
    place = Place(part, handed, at[0], mapping.shape, mapping.dtype, mapping.device)
    tag.places = (*(one for one in tag.places if one.part is not part), place)


def _handed(module: Any, args: tuple[Any, ...]) -> Optional[str]:
    if len(args) < 2:
        return None
    return next((name for name, value in module._parameters.items() if value is args[1]), None)


def take(sampler: Sampler, tag: Tag, module: Any, args: tuple[Any, ...], out: Any) -> bool:
    """Keeps the sampled tokens of the mapping. False: it is not where it was, or there is more to it."""
    for place in tag.places:
        if not place.handed or (len(args) > 1 and module._parameters.get(place.handed) is args[1]):
            break
    else:
        return False
    part, _, at, shape, dtype, device = place
    if type(out) is not tuple or len(out) <= at or transforming() is not None:
        return False
    mapping, run = out[at], part.run
    if type(mapping) is not Tensor or mapping.shape != shape or mapping.dtype is not dtype:
        return False
    known = sampler.plans.get((shape, device))
    if known is None or run >= part.most or mapping.device != device:
        return False
    part.run = run + 1
    if run in part.samples:
        return True
    n, positions, tokens = known
    part.samples[run] = Sample(rows(mapping, n, tokens), positions, None)
    sampler.taken, sampler.taken_grad = sampler.passes, sampler.grad
    sampler.order.append((part, run))
    return True
