"""Blocks written as DeepSeek's inference code: parameters hc_*_fn [(2 + n) n, n d], hc_*_base, hc_*_scale on the block, and a method
that gives comb [b, s, n, n], applied transposed: hc_pre(x [b, s, n, d], fn, scale, base) -> (y, post, comb), or V4.1's
hc_mixes(…) -> (pre, post, comb)."""

from __future__ import annotations

import inspect
import math
import re
import types
from functools import partial
from typing import Any, Iterable, Optional, Sequence

from torch import Tensor

from .protocol import Adapter, Call, Found, Reading, Site, pick

METHODS = ("hc_pre", "hc_mixes")


def recognise(module: Any) -> Iterable[Found]:
    if not methods(module):
        return ()
    return tuple(
        Found(n, "mhc", "comb", key, convention="deepseek", parameters=partial(parameters, module, key))
        for key, n in parts(module).items()
    )


def parts(module: Any) -> dict[str, int]:
    """Name of each site (attn, ffn), and its n."""
    own, found = dict(module.named_parameters(recurse=False)), {}
    for name in own:
        match = re.fullmatch(r"hc_(\w+)_fn", name)
        base, scale = (own.get(f"hc_{match[1]}_{what}") if match else None for what in ("base", "scale"))
        if match is None or base is None or scale is None or own[name].dim() != 2:
            continue
        n = math.isqrt(base.numel() + 1) - 1  # of n^2 + 2n
        if n > 1 and n * n + 2 * n == base.numel():
            found[match[1]] = n
    return found


def parameters(module: Any, part: str) -> Sequence[Tensor]:
    return [getattr(module, f"hc_{part}_{what}") for what in ("fn", "base", "scale")]


def methods(module: Any) -> list[str]:
    return [m for m in METHODS if isinstance(inspect.getattr_static(type(module), m, None), types.FunctionType)]


def part_of(module: Any, given: Iterable[Any]) -> Optional[str]:
    """The site whose projection is among the arguments."""
    for name, value in module._parameters.items():
        if name.startswith("hc_") and name.endswith("_fn"):
            for one in given:
                if one is value:
                    return str(name[3:-3])
    return None


def read(call: Call) -> Iterable[Reading]:
    part = part_of(call.module, (*call.args, *call.kwargs.values()))
    if part is None or isinstance(call.out, Tensor):
        return ()
    x = call.args[0]
    lead = tuple(x.shape[:-2])
    return (Reading(part, pick(call.out, lead, x.shape[-2]), lead, lambda: x),)


adapter = Adapter("deepseek", recognise, lambda module: [Site(m) for m in methods(module)], read)
