"""How a stored matrix is applied, where a function of the implementation does nothing but that: one number is sent through it."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import Tensor


def orientation(n: int, d: int, device: Any, apply: Callable[[Tensor, Tensor], Tensor]) -> str:
    """ "H" or "comb". apply(h [1, 1, n, n], streams [1, 1, n, d]) -> [1, 1, n, d] is called on zeros but h[1, 0] = 1 and stream 0 = 1,
    which arrives in stream 1 if h is applied as it is. On the processor, or else on `device`; "H" where it runs on neither: the
    self-check that goes on while the training runs puts that right."""
    if n < 2:
        return "H"
    for place in dict.fromkeys((torch.device("cpu"), device)):
        h, x = torch.zeros(1, 1, n, n, device=place), torch.zeros(1, 1, n, d, device=place)
        h[..., 1, 0], x[..., 0, :] = 1, 1
        try:
            with torch.no_grad():
                arrived = apply(h, x).reshape(n, d)[:, 0].tolist()
        except Exception:
            continue
        return "H" if arrived[1] == 1 else "comb"
    return "H"
