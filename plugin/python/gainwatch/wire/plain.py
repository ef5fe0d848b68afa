"""Values that are sent, as plain numbers, texts and lists: what JSON has not (NaN, the infinities) as texts, what is none of them left
out. Knows no field by its name.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, Callable, Optional, Union


def number(value: Any) -> Optional[Union[int, float]]:
    """A number of Python, also of one of NumPy's; None where it is none, as a bool, or too large for a float."""
    if type(value) in (int, float):  # nearly always; the abstract classes are slow to ask
        return value  # type: ignore[no-any-return]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return None


def text_of(value: Any) -> Optional[str]:
    """Of a text itself, of a number its decimals, or NaN, Infinity, -Infinity. None where it is neither."""
    if isinstance(value, str):
        return value
    found = number(value)
    if found is None or isinstance(found, int) or math.isfinite(found):
        return None if found is None else repr(found)
    return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"


def plain(value: Any, strange: Callable[[Any], None]) -> Any:
    """As JSON can have it: lists and objects of plain values. strange: told of each that is none of them, which becomes null."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one, strange) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, strange) for one in value]
    found = number(value)
    if found is None:
        strange(value)
        return None
    return found if isinstance(found, int) or math.isfinite(found) else text_of(found)
