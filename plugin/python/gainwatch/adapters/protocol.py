"""What an adapter says of an implementation of hyper-connections: how a module of it is recognised without running it, and where its
mapping is when it runs. Not how that is watched (`sampling`), nor who is asked first (`registry`).

Axes: n streams, d channels of one stream, [...] tokens in the layout that the implementation has (batch and sequence, mostly).
Matrices act as out_i = sum_j H[i, j] x_j ("H"); one that is applied transposed to how it is stored is "comb".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor, nn

MAX_STREAMS = 32  # of one connection: what the monitor takes


@dataclass(frozen=True)
class Found:
    """One connection within a module."""

    n: int  # streams, 1 to 32; 0: seen when it runs
    kind: str  # hc, mhc, residual, identity, orthogonal, signed, own
    stored: str  # "H", "comb", or "identity": there is no matrix, the streams pass on as they are
    part: str = ""  # which of several in one module; it is appended to the module's name
    # which sums of H as applied are exact (doubly, rows, columns), "spectral" or "none"
    bounded: Optional[str] = None
    convention: Optional[str] = None  # order of Sinkhorn's normalisations: "paper", "deepseek"
    # its own, asked for each time: FSDP replaces them
    parameters: Callable[[], Sequence[Tensor]] = tuple
    note: str = ""  # what is said of it once, after its name
    # Temperature of the Sinkhorn that the mapping comes from (1 where it has none); None: of none.
    sinkhorn: Optional[float] = None


@dataclass(frozen=True)
class Site:
    """A method to be watched. inner: names of functions, looked up in the method's own module, whose calls are noted while it runs; or, as
    "hc_pre.forward", of a method of what the watched module has as an attribute."""

    method: str
    inner: tuple[str, ...] = ()


class Inner(NamedTuple):
    """One call of an inner function."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any


class Call(NamedTuple):
    """A method that has just returned."""

    module: Any
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    inner: Sequence[Inner]


class Reading(NamedTuple):
    """What a call tells of one connection.

    mapping: [..., n, n] or [n, n], as stored; None where `stored` is "identity".
    lead: the tokens' shape that the streams have; a mapping of another shape is refused. None: not known.
    streams: makes the connection's input [..., n, d], its leading axes those of `lead`; asked for in some steps only.
    pre, post: gates [..., n] of reading and writing, where they can be had.
    """

    part: str
    mapping: Optional[Tensor]
    lead: Optional[tuple[int, ...]] = None
    streams: Optional[Callable[[], Tensor]] = None
    pre: Optional[Tensor] = None
    post: Optional[Tensor] = None


@dataclass(frozen=True)
class Adapter:
    """One implementation, or a family of the same structure."""

    name: str
    # nothing where the module is not of it; runs nothing of the module
    recognise: Callable[[nn.Module], Iterable[Found]]
    sites: Callable[[nn.Module], Iterable[Site]]  # of a recognised module
    # also traced by torch.compile: tensor operations and plain Python alone
    read: Callable[[Call], Iterable[Reading]]
    # The mapping as stored [tokens, n, n], worked out anew in float32 from the streams [tokens, n, d], for the self-test; None where a
    # module has more in it than is known. Called without gradients and autocast.
    formula: Optional[Callable[[nn.Module, str, Tensor], Optional[Tensor]]] = None
    # It is asked of every module, at each call: most have no connection, and where one had its mapping tells nothing.
    asks_all: bool = False


class Refused(Exception):
    """A tensor that cannot be the mapping. Its words are said once, and nothing is sent of it."""


def pick(out: Any, lead: Sequence[int], n: int) -> Tensor:
    """The one tensor [*lead, n, n] in what a method returned (a tensor, a tuple, a named tuple, a list, or a dict of them).

    @raises Refused where there is none, or more than one.
    """
    wanted = (*lead, n, n)
    values = (
        out.values() if isinstance(out, dict) else out if isinstance(out, (tuple, list)) else (out,)
    )
    found = [v for v in values if isinstance(v, Tensor) and v.shape == wanted]
    if len(found) != 1:
        raise Refused(
            f"there are {len(found)} tensors {list(wanted)} in what it returns, and one is needed"
        )
    return found[0]


def held(module: Any, name: str) -> Optional[Tensor]:
    """The module's parameter (or buffer) of that name; None where it has none."""
    value = getattr(module, name, None)
    return value if isinstance(value, torch.Tensor) else None


def branchless(module: Any) -> list[Tensor]:
    """Its parameters without those of the branch, or branches, that it wraps."""
    return [
        p for name, p in module.named_parameters() if not name.startswith(("branch.", "branches."))
    ]
