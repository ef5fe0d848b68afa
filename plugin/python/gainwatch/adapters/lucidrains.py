"""lucidrains' hyper-connections (HC, mHC, mHCv2; fractions, input views, channels first, several branches or input streams), and the forks
that keep its width_connection: mhc-lite, KromHC, tokenbender.

alpha is local to width_connection: it is the first operand of the einsum that mixes the streams, out_t = sum_s alpha[s, t] x_s, so comb.
The einsum's pattern says which axes it has, whatever else is summed before or after. Axes: s, t streams, f fractions of the channels
(H is over fractions x streams in the order of the flattened axis), v input views, read by the branch.

Versions 0.1.7 to 0.3.9 work H_res out and pass the streams on as they were: that is the identity, and is said.
"""

from __future__ import annotations

import dis
import inspect
import math
import types
from functools import partial
from typing import Any, Callable, Iterable, Optional

import torch.nn.functional as F
from torch import Tensor, nn

from .mixer import entering
from .protocol import Adapter, Call, Found, Reading, Refused, Site, branchless, held
from .sinkhorn import sinkhorn

METHOD = "width_connection"
UNMIXED = "maybe_transformed_residuals"  # what the versions that pass the streams on give back
NOTE = (
    "works H_res out and does not apply it (hyper-connections 0.1.7 to 0.3.9): the identity is sent"
)


def plain(alpha: Tensor, x: Tensor) -> Reading:
    """[..., s, v + s] or [s, s], [..., s, d]"""
    n = x.shape[-2]
    return Reading("", alpha.narrow(-1, alpha.shape[-1] - n, n), tuple(x.shape[:-2]), lambda: x)


def fractions_first(alpha: Tensor, x: Tensor) -> Reading:
    """[..., f, s, f, v + s], [..., f, s, d]"""
    n = x.shape[-2]
    mapping = alpha.narrow(-1, alpha.shape[-1] - n, n).flatten(-2).flatten(-3, -2)
    return Reading("", mapping, tuple(x.shape[:-3]), lambda: x.flatten(-3, -2))


def fractions_last(alpha: Tensor, x: Tensor) -> Reading:
    """[..., s, f, (v + s) f], [..., s, f, d]"""
    wide = x.shape[-3] * x.shape[-2]
    mapping = alpha.narrow(-1, alpha.shape[-1] - wide, wide).flatten(-3, -2)
    return Reading("", mapping, tuple(x.shape[:-3]), lambda: x.flatten(-3, -2))


def channels_first(alpha: Tensor, x: Tensor) -> Reading:
    """[b, s, v + s, ...], [b, s, d, ...]"""
    n, axes = x.shape[1], ((1, 2), (-2, -1))
    mapping = alpha.narrow(2, alpha.shape[2] - n, n).movedim(*axes)
    return Reading("", mapping, (x.shape[0], *x.shape[3:]), lambda: x.movedim(*axes))


PATTERNS: dict[str, Callable[[Tensor, Tensor], Reading]] = {
    "... s t, ... s d -> ... t d": plain,
    "s t, ... s d -> ... t d": plain,
    "... f1 s f2 t, ... f1 s d -> ... f2 t d": fractions_first,
    "... s f tf, ... s f d -> ... tf d": fractions_last,
    "b s t ..., b s d ... -> b t d ...": channels_first,
}


def recognise(module: Any, method: str = METHOD) -> Iterable[Found]:
    """Of a module with `method`, by the shapes of its logits: static_alpha [f s, f (v + s)]; H_res_logits [s, s] (tokenbender); or
    static_alpha [f (s v + coefficients)] beside a scale of H_res (mhc-lite and KromHC, convex in permutations: exact both ways)."""
    n, fracs = getattr(module, "num_residual_streams", 0), getattr(module, "num_fracs", 1)
    if not (is_count(n) and is_count(fracs) and has_method(module, method)):
        return ()
    own = partial(branchless, module)
    static, logits, width = held(module, "static_alpha"), held(module, "H_res_logits"), n * fracs
    if logits is not None:
        return (Found(n, "mhc", "comb", parameters=own),) if tuple(logits.shape) == (n, n) else ()
    if static is None or static.dim() > 2:
        return ()
    scaled = held(module, "residual_scale") is not None
    if static.dim() == 1:
        exact = scaled and is_convex(module, n, static.numel() // fracs)
        return (
            (Found(width, "mhc", "comb", bounded="doubly" if fracs == 1 else None, parameters=own),)
            if exact
            else ()
        )
    if static.shape[0] != width or static.shape[1] <= width or static.shape[1] % fracs != 0:
        return ()
    if gives_on(module, method):
        return (Found(n, "identity", "identity", bounded="doubly", parameters=own, note=NOTE),)
    kind, bounded = ("mhc", None) if scaled or hasattr(module, "sinkhorn_iters") else ("hc", "none")
    return (Found(width, kind, "comb", bounded=bounded, parameters=own),)


def is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 1


def has_method(module: Any, name: str) -> bool:
    return isinstance(inspect.getattr_static(type(module), name, None), types.FunctionType)


def is_convex(module: Any, n: int, size: int) -> bool:
    """Of `size` static coefficients, those of H_res are one for each of n! permutations, or two for each factor of 2 x 2."""
    factors = getattr(module, "num_factors", None)
    wanted = math.factorial(min(n, 12)) if factors is None else 2 * factors
    return bool(size - n * getattr(module, "num_input_views", 1) == wanted)


def gives_on(module: Any, method: str) -> bool:
    """Whether the method gives back the streams that it was given."""
    for step in dis.get_instructions(
        inspect.unwrap(inspect.getattr_static(type(module), method)).__code__
    ):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        if "LOAD_FAST" in step.opname and UNMIXED in (
            names[1:] if "STORE" in step.opname else names
        ):
            return True
    return False


def read(call: Call) -> Iterable[Reading]:
    """Of the einsum that mixes the streams; its pattern is the last argument, or, of torch's own, the first."""
    for inner in call.inner:
        if len(inner.args) == 3:
            alpha, x, pattern = inner.args
            if isinstance(alpha, str):
                pattern, alpha, x = inner.args
            layout = PATTERNS.get(pattern)
            if layout is not None:
                return (layout(alpha.detach(), x),)
    return ()


def read_unmixed(call: Call) -> Iterable[Reading]:
    """Streams [(b s), ..., d], or [(b s), d, ...]."""
    module, given = call.module, entering(call.args, call.kwargs)
    if given is None or (
        call.out[1] is not given and isinstance(module.residual_transform, nn.Identity)
    ):
        raise Refused("it must give on the streams that it was given")
    channels = getattr(module, "channel_first", False) or isinstance(
        module.dynamic_alpha_fn, nn.Conv2d
    )
    x = given.movedim(1, -1) if channels else given
    x = x.unflatten(0, (-1, module.num_residual_streams)).movedim(1, -2)
    return (Reading("", None, tuple(x.shape[:-2]), lambda: x),)


def formula(module: Any, part: str, streams: Tensor) -> Optional[Tensor]:
    """comb of streams [tokens, f s, d]; None where something else than this class has it goes into it."""
    fn, static, views = (
        held(module, "dynamic_alpha_fn"),
        held(module, "static_alpha"),
        getattr(module, "num_input_views", 1),
    )
    gamma, fracs, width = (
        getattr(getattr(module, "norm", None), "gamma", None),
        getattr(module, "num_fracs", 1),
        streams.shape[-2],
    )
    scaled, last = held(module, "residual_scale"), has_fractions_last(module)
    if (
        fn is None
        or static is None
        or gamma is None
        or static.dim() != 2
        or getattr(module, "maybe_mix_streams", None) is not None
    ):
        return None
    if fn.shape[-2] != streams.shape[-1] or (scaled is not None and fracs > 1 and not last):
        return None
    x = F.normalize(streams.float(), dim=-1) * streams.shape[-1] ** 0.5 * (gamma.float() + 1)
    dynamic = (
        x @ (fn if fn.dim() == 3 else fn[None]).float()[:, None]
    )  # [proposals, tokens, f s, f (v + s)]
    if scaled is None:
        logits = module.act(dynamic) * module.dynamic_alpha_scale.float() + static.float()
        return logits.mean(0).unflatten(-1, (fracs, -1))[..., -width // fracs :].flatten(-2)
    iterations = rounds(module)
    if iterations is None:
        return None
    logits = (dynamic * scaled.float() + static.float())[..., -width:]
    return sinkhorn(logits, iterations).mean(0)


def has_fractions_last(module: Any) -> bool:
    """mHCv2, whose write gate is [s, f, 1]."""
    beta = held(module, "static_beta")
    return beta is not None and beta.dim() == 3


def rounds(module: Any) -> Optional[int]:
    """Iterations of its Sinkhorn; None where H_res is constrained otherwise."""
    constraint = getattr(module, "residual_mix_constraint_fn", None)
    if constraint is None:
        return getattr(module, "sinkhorn_iters", None)
    known = isinstance(constraint, partial) and "sinkhorn" in getattr(
        constraint.func, "__name__", ""
    )
    return constraint.keywords.get("iters") if known else None


def sites(module: Any) -> Iterable[Site]:
    return (Site(METHOD, ("einsum",)),)


def mixes(module: Any) -> Iterable[Found]:
    return [one for one in recognise(module) if one.stored != "identity"]


def only_passes(module: Any) -> Iterable[Found]:
    return [one for one in recognise(module) if one.stored == "identity"]


adapter = Adapter("lucidrains", mixes, sites, read, formula)
unmixed = Adapter("lucidrains, unmixed", only_passes, lambda module: (Site(METHOD),), read_unmixed)
