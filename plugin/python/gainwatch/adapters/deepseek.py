"""Blocks that own the parameters of their mixers, hc_attn_fn, hc_attn_base, hc_attn_scale and hc_ffn_…, and hand them to what computes:
a method of the block (DeepSeek's inference code: hc_pre gives (y, post, comb), V4.1's hc_mixes (pre, post, comb)), a child module
(torchtitan-npu), an object that is no module (xorl, miles), or a function. Which site it is, is told by the parameter that is handed."""

from __future__ import annotations

import inspect
import re
import types
from functools import partial
from typing import Any, Iterable, Optional, Sequence

from torch import Tensor

from . import mixer
from .protocol import Adapter, Call, Found, Reading, Site

METHODS = ("hc_mixes", "hc_pre")  # the first that the class has; hc_pre calls hc_mixes where there are both
HANDED = ({"hc_fn", "hc_base", "hc_scale"}, {"fn", "base", "scale"})  # arguments of what computes elsewhere


def recognise(module: Any) -> Iterable[Found]:
    found = parts(module)
    if not found or not sites(module):
        return ()
    return tuple(
        Found(n, "mhc", "comb", name, convention="deepseek", parameters=partial(parameters, module, name))
        for name, n in found.items()
    )


def parts(module: Any) -> dict[str, int]:
    """Name of each site (attn, ffn), and its n. Heads, hc_head_fn [n, n d], have another shape."""
    names = [match[1] for match in (re.fullmatch(r"hc_(\w+)_fn", key) for key in module._parameters) if match]
    sizes = {name: mixer.streams_of(*parameters(module, name)) for name in names}
    return {name: n for name, n in sizes.items() if n}


def parameters(module: Any, part: str) -> Sequence[Any]:
    return [getattr(module, f"hc_{part}_{what}", None) for what in ("fn", "base", "scale")]


def sites(module: Any) -> Sequence[Site]:
    """Its own method, or its forward with what is called in there."""
    kind = type(module)
    own = [m for m in METHODS if is_function(inspect.getattr_static(kind, m, None))]
    if own:
        return [Site(own[0])]
    forward = inspect.getattr_static(kind, "forward", None)
    inner = [f"{name}.{method}" for name, one in mixer.holds(module).items() for method in methods(type(one))]
    if is_function(forward):
        inner += [name for name, value in forward.__globals__.items() if is_function(value) and takes(value)]
    return [Site("forward", tuple(inner))] if inner else []


def methods(kind: type) -> list[str]:
    """Those that are handed a mixer's parameters."""
    return [name for name in dir(kind) if takes(inspect.getattr_static(kind, name))]


def takes(function: Any) -> bool:
    code = getattr(inspect.unwrap(function), "__code__", None) if is_function(function) else None
    if code is None:
        return False
    names = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    return any(handed <= names for handed in HANDED)


def is_function(value: Any) -> bool:
    return isinstance(value, types.FunctionType)


def part_of(module: Any, given: Iterable[Any]) -> Optional[str]:
    """The site whose projection is among what was handed."""
    own = module._parameters or module.__dict__  # a replica of DataParallel has no parameters
    for one in given:
        for name, value in own.items():
            if value is one and name.startswith("hc_") and name.endswith("_fn"):
                return str(name[3:-3])
    return None


def read(call: Call) -> Iterable[Reading]:
    found: list[Reading] = []
    for one in call.inner or (call,):
        given = (*one.args, *one.kwargs.values())
        part = part_of(call.module, given)
        x = mixer.entering(one.args, one.kwargs)
        if part is None or x is None or not isinstance(one.out, tuple):
            continue
        if found and any(value is found[-1].mapping for value in one.out):
            continue  # handed on from one function to another
        found.append(mixer.reading(part, one.out, x))
    return found


def formula(module: Any, part: str, streams: Tensor) -> Tensor:
    return mixer.formula(module, *parameters(module, part), streams)


adapter = Adapter("deepseek", recognise, sites, read, formula)
