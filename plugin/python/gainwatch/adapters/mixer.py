"""What implementations of DeepSeek's form share: parameters fn [(2 + n) n, n d], base [(2 + n) n], scale [3], from which a token's
streams [n, d] get their gates pre, post [n] and comb [n, n], applied transposed. Not where these are held (`deepseek_v4`, `deepseek`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .protocol import Reading, Refused, pick

ITERATIONS, EPS = 20, 1e-6  # of DeepSeek's kernel


def streams_of(fn: Any, base: Any, scale: Any) -> int:
    """n, where these are tensors of the form's shapes; else 0."""
    if not all(isinstance(one, Tensor) for one in (fn, base, scale)) or fn.dim() != 2:
        return 0
    n = math.isqrt(base.numel() + 1) - 1
    right = n >= 1 and n * n + 2 * n == base.numel() == fn.shape[0] and fn.shape[1] % n == 0
    return n if right and scale.numel() == 3 else 0


def weight(module: Any, name: str) -> Optional[Tensor]:
    """A projection of the module's own: a parameter, or that of a Linear."""
    held = getattr(module, name, None)
    held = held if isinstance(held, Tensor) else getattr(held, "weight", None)
    return held if isinstance(held, Tensor) else None


def entering(args: Iterable[Any], kwargs: dict[str, Any]) -> Optional[Tensor]:
    """The streams that a mixer was given: its first tensor."""
    for one in (*args, *kwargs.values()):
        if isinstance(one, Tensor):
            return one
    return None


def reading(part: str, out: Any, x: Tensor) -> Reading:
    """Of a tuple that has comb in it, of each of the orders in use: (post, comb, y), (y, post, comb), (pre, post, comb).

    x: streams [..., n, d].
    @raises Refused where there is no comb [..., n, n], or more than one
    """
    if not isinstance(out, tuple):
        raise Refused(f"a mixer must return a tuple of tensors (given {type(out).__name__})")
    *tokens, n, d = x.shape
    lead = tuple(tokens)
    comb, gate = pick(out, lead, n), (*lead, n)
    pre = post = None
    for value in out:
        if value is comb:
            break
        pre, post = post, value
    post = post if is_gate(post, gate) else None
    pre = pre if d != n and is_gate(pre, gate) else None  # y [..., d] looks the same where d = n
    return Reading(part, comb, lead, lambda: x, pre, post)


def is_gate(value: Any, shape: tuple[int, ...]) -> bool:
    """A tensor [..., n]."""
    return isinstance(value, Tensor) and value.shape == shape


def formula(
    owner: Any, fn: Tensor, base: Tensor, scale: Tensor, streams: Tensor, added: bool = True
) -> Tensor:
    """comb [tokens, n, n] of streams [tokens, n, d], in float32. owner: has the numbers of iterations and epsilons, itself or in what it
    holds. added: as in `comb_of`."""
    rounds = setting(owner, ("hc_sinkhorn_iters", "sinkhorn_iters", "iterations"), ITERATIONS)
    eps = setting(owner, ("hc_eps", "eps"), EPS)
    norm_eps = getattr(getattr(owner, "input_norm", None), "eps", EPS)  # transformers'
    norm_eps = setting(owner, ("norm_eps", "rms_norm_eps"), norm_eps)
    own = 2 * streams.shape[-2]  # what comes before is of the gates
    fn, base, scale = fn[own:], base.reshape(-1)[own:], scale.reshape(-1)[2]
    return comb_of(streams, fn, base, scale, int(rounds), eps, norm_eps, added)


def comb_of(
    streams: Tensor,
    fn: Tensor,
    base: Tensor,
    scale: Tensor,
    iterations: int,
    eps: float = EPS,
    norm_eps: float = EPS,
    added: bool = True,
) -> Tensor:
    """The same of what is comb's own: fn [n n, n d], base [n n], scale [1]. Softmax of the rows, then columns and rows divided by
    their sums plus eps, the columns last. added: eps to what the softmax gives, as DeepSeek has it, or else to its denominator alone."""
    n, flat = streams.shape[-2], streams.flatten(-2).float()
    norm = torch.rsqrt(flat.square().mean(-1, keepdim=True) + norm_eps)
    logits = F.linear(flat, fn.float()) * norm * scale.float() + base.float()
    comb = logits.reshape(-1, n, n).softmax(-1)
    comb = comb + eps if added else comb / (1 + eps)
    comb = comb / (comb.sum(-2, keepdim=True) + eps)
    for _ in range(iterations - 1):
        comb = comb / (comb.sum(-1, keepdim=True) + eps)
        comb = comb / (comb.sum(-2, keepdim=True) + eps)
    return comb


def setting(owner: Any, names: Iterable[str], default: float) -> float:
    """A number that is an attribute of the owner, or of what it holds, by the first of these names that there is."""
    holders = (owner, *holds(owner).values())
    found = (getattr(holder, name, None) for name in names for holder in holders)
    return next((float(one) for one in found if isinstance(one, (int, float))), default)


def holds(module: Any) -> dict[str, Any]:
    """Its children, and what else it has as attributes that is of a class of somebody's own."""
    own = {
        name: one
        for name, one in module.__dict__.items()
        if not name.startswith("_") and type(one).__module__ != "builtins"
    }
    return {**getattr(module, "_modules", {}), **own}
