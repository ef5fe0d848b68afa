"""What a module of an implementation is known by: names, methods, and shapes of its parameters. Nothing of any one implementation."""

from __future__ import annotations

import inspect
import types
from typing import Any

from torch import Tensor, nn


def is_count(value: Any) -> bool:
    """A whole number of 1 or more."""
    return isinstance(value, int) and value >= 1


def is_function(value: Any) -> bool:
    """A function written in Python: what can be watched."""
    return isinstance(value, types.FunctionType)


def has_method(module: Any, name: str) -> bool:
    """The module's class has that method in Python. (nn.Module's forward is none.)"""
    value = inspect.getattr_static(type(module), name, None)
    return is_function(value) and value is not nn.Module.forward


def shape(module: Any, name: str) -> tuple[int, ...]:
    """Of the parameter (or buffer) of that name, or of the weight of a Linear of that name; () where there is none."""
    value = getattr(module, name, None)
    value = value if isinstance(value, Tensor) else getattr(value, "weight", None)
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def are(module: Any, names: tuple[str, ...], wanted: tuple[int, ...]) -> bool:
    """All of these have that shape."""
    return all(shape(module, name) == wanted for name in names)
