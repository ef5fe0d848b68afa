"""One step as a safetensors body, as plugin/openapi.yaml has it. Sends nothing, and keeps no body.

Axes: S sampled tokens, n streams, L connections. Matrices are sent as H, rows as destinations: out_i = sum_j H[i, j] x_j.
"""

from __future__ import annotations

import ctypes
import functools
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from .plain import number, text_of
from .record import as_h

if TYPE_CHECKING:
    from torch import Tensor

    from ..guard import Faults
    from .record import Listed, StepRecord

# of a connection: parameters, activations, branch_activations, gradients, optimizer
MEMORY_KINDS = 5


class Check(Protocol):
    """The running self-check."""

    def asks(self, record: StepRecord) -> bool:
        """Has it something to look for in this step?"""

    def look(self, record: StepRecord, mappings: Sequence[Optional[Tensor]]) -> None:
        """mappings: [S, n, n] as stored, one for each of `record.present`; None: it did not run. May mend `Listed.kind`, `.bounded` and
        `.transposed`, for this body and those after."""


@dataclass
class Encoding:
    """What the bodies of one training have in common. fields: rank and counters, asked for at each body; n: of all connections that
    are sent, the most frequent in the first listing."""

    faults: Faults
    check: Optional[Check] = None
    fields: Callable[[], Mapping[str, Any]] = dict
    n: Optional[int] = None


def encode(record: StepRecord, encoding: Encoding) -> Optional[bytes]:
    """The body: a tensor [S, n, n] for each connection of the listing that has the run's n, [n, n] where it holds for all tokens (the
    identity, of one that did not run); `@memory` [5, L] in bytes. None where graphs of torch.compile were asked, and none has run."""
    import numpy
    from safetensors.numpy import save

    listed, flat = record.listing.connections, record.values.take()
    stored, late, ran = _read(record, flat)
    if encoding.check is not None and encoding.check.asks(record):
        encoding.check.look(record, _tensors(record, flat, ran))
    places = _places(listed, encoding)
    by_place = {place: m for place, m, did in zip(record.present, stored, ran) if did}
    sent = {place: by_place[place] for place in places if place in by_place}
    if record.present and not sent:
        return None
    tokens = _tokens((len(matrix) for matrix in sent.values()), encoding.faults)
    identity = numpy.eye(encoding.n or 0, dtype=numpy.float32)
    arrays = {}
    for place in places:
        matrix = sent.get(place, identity)
        if matrix is not identity:
            matrix = matrix[0] if len(matrix) == 1 < tokens else matrix[:tokens]
            matrix = as_h(matrix, listed[place])
        arrays[listed[place].name] = numpy.ascontiguousarray(matrix)
    if places:
        arrays["@memory"] = _memory([listed[place] for place in places])
    metadata = _metadata(record, late, [listed[place] for place in places], tokens, encoding)
    return save(arrays, metadata)


def common_streams(connections: Sequence[Listed]) -> int:
    """n of most of them, of the first where it is even; 1 where there are none."""
    counts = Counter(connection.n for connection in connections)
    return counts.most_common(1)[0][0] if counts else 1


def _read(record: StepRecord, flat: Tensor) -> tuple[list[Any], dict[str, float], list[bool]]:
    """Of each of `present`, [S, n, n] as stored; what came late; whether each of `present` ran. By way of bytes: torch and NumPy need
    not have been built for each other."""
    import numpy

    data, at = ctypes.string_at(flat.data_ptr(), 4 * flat.numel()) if flat.numel() else b"", 0
    numbers, stored = numpy.frombuffer(data, numpy.float32), []
    for shape in record.shapes:
        stored.append(numbers[at : at + math.prod(shape)].reshape(shape))
        at += math.prod(shape)
    late, counts = numbers[at : at + len(record.late)], numbers[at + len(record.late) :]
    ran = [True] * len(stored)
    for place, count in zip(record.counted, counts):
        ran[place] = bool(count > 0)
    return stored, dict(zip(record.late, late.tolist())), ran


def _tensors(record: StepRecord, flat: Tensor, ran: Sequence[bool]) -> list[Optional[Tensor]]:
    """For the self-check: of each of `present`, [S, n, n] as stored, None where it did not run."""
    import torch

    sizes = [math.prod(shape) for shape in record.shapes]
    parts = torch.split(flat[: sum(sizes)], sizes)
    return [
        part.view(shape) if did else None for part, shape, did in zip(parts, record.shapes, ran)
    ]


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
        faults.say(
            "tokens",
            f"connections were sampled at {sorted(many)} tokens: the first {min(many)} of each are sent",
        )
    return min(many, default=1)


def _memory(connections: Sequence[Listed]) -> Any:
    """[5, L] in float32; of the kinds, the bytes of parameters are known here."""
    import numpy

    memory = numpy.full((MEMORY_KINDS, len(connections)), math.nan, numpy.float32)
    memory[0] = [connection.parameter_bytes for connection in connections]
    return memory


def _metadata(
    record: StepRecord,
    late: Mapping[str, float],
    connections: Sequence[Listed],
    tokens: int,
    encoding: Encoding,
) -> dict[str, str]:
    """Every value as a text: numbers in decimal, or NaN, Infinity, -Infinity; lists and objects as JSON."""
    own = {
        "version": 1,
        "step": record.step,
        "attempt": record.attempt,
        "time": record.time,
        "step_seconds": record.step_seconds,
    }
    metadata = {"orientation": "H"}
    for key, value in {**own, **encoding.fields(), **record.scalars, **late}.items():
        text = text_of(value)
        if text is not None:
            metadata[key] = text
        elif value is not None:
            encoding.faults.say(
                f"value {key}",
                f"{key}: must be a number (given {type(value).__name__}), and is left out",
            )
    metadata["order"] = _json_of(tuple([connection.name for connection in connections]))
    metadata["kinds"] = _json_of(tuple([connection.kind for connection in connections]))
    metadata["conventions"] = _json_of(tuple([connection.convention for connection in connections]))
    metadata["bounded"] = _json_of(tuple([connection.bounded for connection in connections]))
    if len(record.tokens) >= tokens > 0 and connections:
        metadata["tokens"] = _json([int(position) for position in record.tokens[:tokens]])
    sizes = {kind: number(size) for kind, size in record.memory.items()}
    memory = {
        kind: size for kind, size in sizes.items() if size is not None and 0 <= size < math.inf
    }
    if memory:
        metadata["memory"] = _json(memory)
    return metadata


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


_json_of = functools.lru_cache(maxsize=64)(_json)  # of lists that are the same in most steps
