"""Blocks that own the parameters of their mixers, hc_attn_fn, hc_attn_base, hc_attn_scale and hc_ffn_…, and hand them to what computes:
a method of the block (DeepSeek's inference code: hc_pre gives (y, post, comb), V4.1's hc_mixes (pre, post, comb)), a child module
(torchtitan-npu), an object that is no module (xorl, miles), or a function. Which site it is, is told by the parameter that is handed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Optional

from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Site
from .structure import has_method, is_function

# The first that the class has: hc_pre calls hc_mixes where there are both.
METHODS = ("hc_mixes", "hc_pre")
# Arguments of what computes elsewhere.
HANDED = ({"hc_fn", "hc_base", "hc_scale"}, {"fn", "base", "scale"})


def recognise(module: Any) -> Iterable[Found]:
    """A connection for each site whose parameters have the form's shapes."""
    return tuple(
        Found(n, "mhc", "comb", part, None, "deepseek", partial(parameters, module, part))
        for part, n in parts(module).items()
    )


def parts(module: Any) -> dict[str, int]:
    """Each site (attn, ffn), and its n. Heads, hc_head_fn [n, n d], have another shape."""
    names = (re.fullmatch(r"hc_(\w+)_fn", name) for name in module._parameters)
    sizes = {m[1]: mixer.streams_of(*parameters(module, m[1])) for m in names if m}
    return {part: n for part, n in sizes.items() if n}


def parameters(module: Any, part: str) -> tuple[Any, Any, Any]:
    """fn, base, scale of a site; None for what it has not."""
    fn, base, scale = (getattr(module, f"hc_{part}_{w}", None) for w in ("fn", "base", "scale"))
    return fn, base, scale


def sites(module: Any) -> Sequence[Site]:
    """Its own method; or its forward, with what the parameters are handed to in there."""
    own = [Site(name) for name in METHODS if has_method(module, name)]
    if own:
        return own[:1]
    if not has_method(module, "forward"):
        return []
    inner = [
        f"{name}.{method}"
        for name, one in mixer.holds(module).items()
        for method in dir(type(one))
        if takes(inspect.getattr_static(type(one), method))
    ]
    space = inspect.unwrap(type(module).forward).__globals__
    inner += [name for name, value in space.items() if takes(value)]
    return [Site("forward", tuple(inner))] if inner else []


def takes(value: Any) -> bool:
    """A function, watched or not, that is handed a mixer's parameters."""
    code = getattr(inspect.unwrap(value), "__code__", None) if is_function(value) else None
    if code is None:
        return False
    names = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    return any(handed <= names for handed in HANDED)


def part_of(module: Any, given: Iterable[Any]) -> Optional[str]:
    """The site whose projection is among what was handed."""
    own = module._parameters or module.__dict__  # a replica of DataParallel has no parameters
    for one in given:
        for name, value in own.items():
            if value is one and name.startswith("hc_") and name.endswith("_fn"):
                return str(name[3:-3])
    return None


def entering(module: Any, call: Any) -> Optional[Tensor]:
    """The first tensor that is no parameter of the block's: by keyword, they may come in any order."""
    own = (module._parameters or module.__dict__).items()
    own = [value for name, value in own if name.startswith("hc_")]
    given = (*call.args, *call.kwargs.values())
    return mixer.entering([one for one in given if not any(one is value for value in own)], {})


def read(call: Call) -> Iterable[Reading]:
    """Of each site whose parameters were handed on."""
    found: list[Reading] = []
    for one in call.inner or (call,):
        part = part_of(call.module, (*one.args, *one.kwargs.values()))
        x = entering(call.module, one)
        if part is None or x is None or not isinstance(one.out, tuple):
            continue
        if found and any(value is found[-1].mapping for value in one.out):
            continue  # one function has called the other
        found.append(mixer.reading(part, one.out, x))
    return found


def formula(module: Any, part: str, streams: Tensor) -> Tensor:
    """comb [tokens, n, n] of a site."""
    return mixer.formula(module, *parameters(module, part), streams)


adapter = Adapter("deepseek", recognise, sites, read, formula)
