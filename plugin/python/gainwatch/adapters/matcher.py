"""An adapter for one training, of the function that the user names the mappings by: matcher(name, module, inputs, output) is asked after
each forward of each module, and returns its mapping, a tensor [..., n, n] or [n, n], or None."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Callable, Optional

from torch import Tensor

from .protocol import Adapter, Call, Found, Reading, Refused, Site, branchless

Matcher = Callable[..., Any]


def arity(matcher: Matcher) -> int:
    """2, (name, module), or 4, (name, module, inputs, output): what it takes.

    @raises ValueError where it takes neither
    """
    try:
        signature = inspect.signature(matcher)
    except (TypeError, ValueError):
        return 4
    for count in (4, 2):
        try:
            signature.bind(*range(count))
            return count
        except TypeError:
            continue
    raise ValueError(
        f"matcher: must take (name, module, inputs, output) or (name, module) (given {signature})"
    )


def adapter(
    matcher: Matcher, names: dict[int, str], kind: str, bounded: Optional[str], stored: str
) -> Adapter:
    """names: of the model's modules by their id."""
    takes = arity(matcher)

    def recognise(module: Any) -> Iterable[Found]:
        return (Found(0, kind, stored, bounded=bounded, parameters=lambda: branchless(module)),)

    def read(call: Call) -> Iterable[Reading]:
        name = names.get(id(call.module), "")
        given = (name, call.module, call.args, call.out)[: 4 if takes == 4 else 2]
        mapping = matcher(*given)
        if mapping is None:
            return ()
        if not isinstance(mapping, Tensor) or mapping.dim() < 2:
            raise Refused(
                f"what the matcher returns must be a tensor [..., n, n] (given {type(mapping).__name__})"
            )
        x = call.args[0] if call.args else None
        return (
            Reading(
                "", mapping, None, (lambda: streams(x, mapping)) if isinstance(x, Tensor) else None
            ),
        )

    return Adapter("matcher", recognise, lambda module: (Site("forward"),), read, asks_all=True)


def streams(x: Tensor, mapping: Tensor) -> Tensor:
    """x as [tokens, n, d] where its layout is [..., n, d], [..., n d] or [(b n), ..., d].

    @raises Refused where it is none of these
    """
    n, lead = mapping.shape[-1], tuple(mapping.shape[:-2])
    if x.dim() >= 2:
        if not lead and x.dim() == 3 and x.shape[0] % n == 0:
            raise Refused(f"{list(x.shape)} may be [..., n, d] as well as [(b n), ..., d]")
        if x.shape[-2] == n and (not lead or tuple(x.shape[:-2]) == lead):
            return x.reshape(-1, n, x.shape[-1])
        if lead and tuple(x.shape[:-1]) == lead and x.shape[-1] % n == 0:
            return x.reshape(-1, n, x.shape[-1] // n)
        if lead and tuple(x.shape[:-1]) == (lead[0] * n, *lead[1:]):
            return x.reshape(-1, n, *x.shape[1:]).movedim(1, -2).flatten(0, -3)
    raise Refused(f"streams of no known layout: {list(x.shape)}")
