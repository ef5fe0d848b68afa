"""One step as a safetensors body, as plugin/openapi.yaml has it. Sends nothing, and keeps no body.

Axes: S sampled tokens, n streams, L connections. Matrices are sent as H, rows as destinations: out_i = sum_j H[i, j] x_j.
"""

from __future__ import annotations

import ctypes
import json
import math
import numbers
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from ..guard import Faults
    from .record import Listed, StepRecord

MEMORY_KINDS = 5  # of a connection: parameters, activations, branch_activations, gradients, optimizer


class Check(Protocol):
    """The running self-check. flip: the matrices are applied transposed to how they are read."""

    flip: bool

    def look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        """mappings: [S, n, n] as H by what `Listed.transposed` says, one for each of `record.present`; None: it did not run. May mend
        `Listed.kind`, `.bounded` and `.transposed`, and `flip`, for this body and those after."""


@dataclass
class Encoding:
    """What the bodies of one training have in common. fields: rank and counters, asked for at each body; n: of all connections that
    are sent, the most frequent in the first listing."""

    faults: Faults
    check: Optional[Check] = None
    fields: Callable[[], Mapping[str, Any]] = dict
    n: Optional[int] = None


@dataclass
class _Read:
    """A record's numbers. mappings: [S, n, n] as stored, one for each of `present`, None where it did not run."""

    mappings: list[Optional[Tensor]]
    late: dict[str, float]


def encode(record: StepRecord, encoding: Encoding) -> Optional[bytes]:
    """The body: a tensor [S, n, n] for each connection of the listing that has the run's n, [n, n] where it holds for all tokens (the
    identity, of one that did not run); `@memory` [5, L] in bytes. None where no connection of a listing ran."""
    from safetensors.numpy import save

    read = _read(record)
    listed = record.listing.connections
    if encoding.check is not None:
        pairs = zip(record.present, read.mappings)
        encoding.check.look(record, [m if m is None else _as_h(m, listed[place]) for place, m in pairs])
    places = _places(listed, encoding)
    ran = {place: m for place, m in zip(record.present, read.mappings) if m is not None}
    sent = {place: ran[place] for place in places if place in ran}
    if listed and not sent:
        return None
    tokens = _tokens((m.shape[0] for m in sent.values()), encoding.faults)
    flip = encoding.check is not None and encoding.check.flip
    matrices = {}
    for place, matrix in sent.items():
        as_h = _as_h(matrix, listed[place], flip)
        matrices[place] = as_h[0] if len(as_h) == 1 < tokens else as_h[:tokens]
    arrays = _arrays({listed[place].name: matrices.get(place) for place in places}, encoding.n or 0)
    if places:
        arrays["@memory"] = _memory([listed[place] for place in places])
    metadata = _metadata(record, read.late, [listed[place] for place in places], tokens, encoding)
    return save(arrays, metadata)


def common_streams(connections: Sequence[Listed]) -> int:
    """n of most of them, of the first where it is even; 0 where there are none."""
    counts = Counter(connection.n for connection in connections)
    return counts.most_common(1)[0][0] if counts else 0


def _read(record: StepRecord) -> _Read:
    """Waits for the numbers, and takes them apart."""
    flat = record.values.take()
    sizes = [math.prod(shape) for shape in record.shapes]
    *parts, late, counts = flat.split([*sizes, len(record.late), len(record.counted)])
    mappings: list[Optional[Tensor]] = [part.view(shape) for part, shape in zip(parts, record.shapes)]
    for at, count in zip(record.counted, counts.tolist()):
        if not count > 0:
            mappings[at] = None
    return _Read(mappings, dict(zip(record.late, late.tolist())))


def _as_h(matrix: Tensor, connection: Listed, flip: bool = False) -> Tensor:
    return matrix.transpose(1, 2) if connection.transposed != flip else matrix


def _places(listed: Sequence[Listed], encoding: Encoding) -> list[int]:
    """Those of the run's n, which the monitor wants to be one."""
    if encoding.n is None and listed:
        encoding.n = common_streams(listed)
    others = [connection.name for connection in listed if connection.n != encoding.n]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        text = f"a run has one number of streams, here {encoding.n}: {others[0]}{more} with another is left out"
        encoding.faults.say("streams", text)
    return [place for place, connection in enumerate(listed) if connection.n == encoding.n]


def _tokens(sizes: Iterable[int], faults: Faults) -> int:
    """S of all; one that has a single matrix has it for all tokens."""
    many = {size for size in sizes if size > 1}
    if len(many) > 1:
        faults.say("tokens", f"connections were sampled at {sorted(many)} tokens: the first {min(many)} of each are sent")
    return min(many, default=1)


def _arrays(matrices: Mapping[str, Optional[Tensor]], n: int) -> dict[str, Any]:
    """By name, in float32; None is the identity. By way of bytes: torch and NumPy need not have been built for each other."""
    import numpy
    import torch

    known = [matrix.reshape(-1) for matrix in matrices.values() if matrix is not None]
    flat = torch.cat(known) if known else torch.empty(0)
    data = numpy.frombuffer(ctypes.string_at(flat.data_ptr(), 4 * flat.numel()) if known else b"", numpy.float32)
    identity = numpy.eye(n, dtype=numpy.float32)
    arrays, at = {}, 0
    for name, matrix in matrices.items():
        size = 0 if matrix is None else matrix.numel()
        arrays[name] = identity if matrix is None else data[at : at + size].reshape(matrix.shape)
        at += size
    return arrays


def _memory(connections: Sequence[Listed]) -> Any:
    """[5, L] in float32; of the kinds, the bytes of parameters are known here."""
    import numpy

    memory = numpy.full((MEMORY_KINDS, len(connections)), math.nan, numpy.float32)
    memory[0] = [connection.parameter_bytes for connection in connections]
    return memory


def _metadata(
    record: StepRecord, late: Mapping[str, float], connections: Sequence[Listed], tokens: int, encoding: Encoding
) -> dict[str, str]:
    """Every value as a text: numbers in decimal, or NaN, Infinity, -Infinity; lists and objects as JSON."""
    own = {"version": 1, "step": record.step, "attempt": record.attempt, "time": record.time, "step_seconds": record.step_seconds}
    metadata = {"orientation": "H"}
    for key, value in {**own, **encoding.fields(), **record.scalars, **late}.items():
        text = _text(value)
        if text is not None:
            metadata[key] = text
        elif value is not None:
            encoding.faults.say(f"value {key}", f"{key}: must be a number (given {type(value).__name__}), and is left out")
    lists: dict[str, Any] = {
        "order": [connection.name for connection in connections],
        "kinds": [connection.kind for connection in connections],
        "conventions": [connection.convention for connection in connections],
        "bounded": [connection.bounded for connection in connections],
    }
    if len(record.tokens) >= tokens > 0 and connections:
        lists["tokens"] = [int(position) for position in record.tokens[:tokens]]
    memory = {kind: size for kind, size in record.memory.items() if _is_size(size)}
    if memory:
        lists["memory"] = memory
    return {**metadata, **{key: json.dumps(value, separators=(",", ":")) for key, value in lists.items()}}


def _text(value: Any) -> Optional[str]:
    """None where it is neither a text nor a number."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral):
        return str(int(value))
    try:
        number = float(value)
    except OverflowError:
        return None
    if math.isfinite(number):
        return repr(number)
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
