"""The numbers that a loop gives with a step (loss, learning rate, gradient norm): read as they are, and what cannot be read is left out and
said. Never waits for the device, and never raises."""

from __future__ import annotations

from typing import Any, Optional, Union, cast

import torch
from torch import Tensor

from .guard import Faults
from .sampling.see import is_plain

LAST_STEP = (1 << 53) - 1  # that the monitor takes


def number(name: str, value: Any, faults: Faults) -> Optional[Union[float, Tensor]]:
    """A float, or a tensor of one element on the device, which is read later; None: left out."""
    try:
        if value is None:
            return None
        if isinstance(value, Tensor):
            return _of_tensor(name, value, faults)
        return float(value)
    except Exception as error:
        _leave_out(
            name,
            f"{type(value).__name__} cannot be read as a number ({type(error).__name__})",
            faults,
        )
        return None


def _of_tensor(name: str, value: Tensor, faults: Faults) -> Optional[Union[float, Tensor]]:
    placements = getattr(value, "placements", None)
    if placements is not None:  # to make a DTensor whole would wait for ranks that may not watch
        if not all(p.is_replicate() for p in placements):
            _leave_out(
                name, f"is a part of a DTensor on each rank: give {name}.full_tensor()", faults
            )
            return None
        value = cast(Any, value).to_local()
    if (
        value.numel() != 1
        or value.dtype.is_complex
        or not is_plain(value)
        or value.device.type == "meta"
    ):
        _leave_out(name, f"must have one number (given a tensor {list(value.shape)})", faults)
        return None
    value = value.detach()
    return float(value) if value.device.type == "cpu" else value.reshape(1)


def rate(optimizer: Any, faults: Faults) -> Any:
    """The learning rate of the first parameter group of the first optimizer: of one, of a list or a dict of them, of a
    list of groups, or of what holds one as `optimizer`."""
    try:
        for _ in range(8):
            if optimizer is None:
                return None
            if isinstance(optimizer, dict):
                if "lr" in optimizer:
                    return optimizer["lr"]
                optimizer = next(iter(optimizer.values()), None)
            elif isinstance(optimizer, (list, tuple)):
                optimizer = optimizer[0] if optimizer else None
            elif hasattr(optimizer, "param_groups"):
                optimizer = optimizer.param_groups
            else:
                optimizer = getattr(optimizer, "optimizer", None)
        return None
    except Exception as error:
        _leave_out(
            "learning_rate",
            f"{type(optimizer).__name__} shows none ({type(error).__name__})",
            faults,
        )
        return None


def whole_step(value: Any, faults: Faults) -> Optional[int]:
    """A step's number, 0 to LAST_STEP; None where it is none."""
    try:
        if isinstance(value, Tensor) and value.device.type != "cpu":
            raise TypeError("it is on the device")
        found = int(value)
        if found != value or not 0 <= found <= LAST_STEP:
            raise ValueError(f"it must be a whole number from 0 to {LAST_STEP}")
        return found
    except Exception as error:
        _leave_out(
            "step",
            f"{value!r:.40} is no number of a step ({error}); the monitor counts by itself",
            faults,
        )
        return None


def _leave_out(name: str, why: str, faults: Faults) -> None:
    faults.say(f"scalar {name}", f"{name}: {why}: it is left out")


def memory(device: Any) -> dict[str, int]:
    """Bytes of the run by kind, where the device tells."""
    if getattr(device, "type", "") != "cuda":
        return {}
    return {"allocated": int(torch.cuda.memory_allocated(device))}
