"""From the device to the host without waiting for it: a copy into pinned memory on a stream of its own, that the background thread waits
for. On the CPU the numbers are there already; other devices are waited for there. Not what is copied (`monitor`)."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable

import torch
from torch import Tensor

from ..wire.record import Values


class Copier:
    """Of one monitor: its stream, and pinned buffers that are free again."""

    def __init__(self) -> None:
        self.stream: Any = None
        self.free: deque[Tensor] = deque()


def values(copier: Copier, parts: list[Tensor]) -> Values:
    """The parts, flat and one after another, as float32. They are detached, and nobody's but the monitor's."""
    size = sum([p.numel() for p in parts])
    device = next((p.device for p in parts if p.is_cuda), None)
    if device is None:
        return Values(lambda: _flat([p.cpu() for p in parts]), size)
    flat = _flat([p.to(device, non_blocking=True) for p in parts])
    copier.stream = copier.stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    copier.stream.wait_stream(torch.cuda.current_stream(device))
    pinned = _pinned(copier, size)
    with torch.cuda.stream(copier.stream):
        pinned.copy_(flat, non_blocking=True)
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record()
    flat.record_stream(copier.stream)
    return Values(_taken(copier, pinned, event), size)


def _taken(copier: Copier, pinned: Tensor, event: Any) -> Callable[[], Tensor]:
    def take() -> Tensor:
        event.synchronize()
        flat = pinned.clone()
        copier.free.append(pinned)
        return flat

    return take


def _flat(parts: list[Tensor]) -> Tensor:
    flat = [p.reshape(-1) if p.dtype is torch.float32 else p.reshape(-1).float() for p in parts]
    return torch.cat(flat) if flat else torch.empty(0, device="cpu")


def _pinned(copier: Copier, size: int) -> Tensor:
    for _ in range(len(copier.free)):
        buffer = copier.free.popleft()
        if buffer.numel() == size:
            return buffer
    return torch.empty(size, dtype=torch.float32, device="cpu", pin_memory=True)
