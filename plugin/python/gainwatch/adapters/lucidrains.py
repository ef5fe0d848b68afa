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
from collections.abc import Iterable
from functools import partial
from typing import Any, Callable, Optional

from torch import Tensor, nn

from .lucidrains_formula import formula, iterations
from .mixer import entering
from .protocol import Adapter, Call, Found, Reading, Refused, Site, branchless, held
from .structure import has_method, is_count, shape

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
    own, wide = partial(branchless, module), n * fracs
    if held(module, "H_res_logits") is not None:
        square = shape(module, "H_res_logits") == (n, n)
        how = temperature(module)
        return (Found(n, "mhc", "comb", parameters=own, sinkhorn=how),) if square else ()
    scaled = held(module, "residual_scale") is not None
    size = shape(module, "static_alpha")
    if len(size) == 1 and scaled and is_convex(module, n, size[0] // fracs):
        exact = "doubly" if fracs == 1 else None
        return (Found(wide, "mhc", "comb", bounded=exact, parameters=own),)
    if len(size) != 2 or size[0] != wide or size[1] <= wide or size[1] % fracs != 0:
        return ()
    if gives_on(module, method):
        return (Found(n, "identity", "identity", bounded="doubly", parameters=own, note=NOTE),)
    if scaled:
        mean = getattr(module, "num_dynamic_alpha_proposals", 1) > 1  # of several Sinkhorns
        known = None if mean or iterations(module) is None else 1.0
        return (Found(wide, "mhc", "comb", parameters=own, sinkhorn=known),)
    if hasattr(module, "sinkhorn_iters"):
        return (Found(wide, "mhc", "comb", parameters=own),)
    return (Found(wide, "hc", "comb", bounded="none", parameters=own),)


def temperature(module: Any) -> Optional[float]:
    """Of tokenbender's Sinkhorn; None where H_res is not what it gives."""
    mixed = held(module, "H_res_alpha_logit") is not None
    if mixed or getattr(module, "mhc_h_res_proj", "sinkhorn") != "sinkhorn":
        return None
    how = (getattr(module, name, None) for name in ("mhc_tau", "sinkhorn_tau"))
    return next((float(one) for one in how if isinstance(one, (int, float))), None)


def is_convex(module: Any, n: int, size: int) -> bool:
    """Of `size` static coefficients, those of H_res are one for each of n! permutations, or two for each factor of 2 x 2."""
    factors = getattr(module, "num_factors", None)
    wanted = math.factorial(min(n, 12)) if factors is None else 2 * factors
    return bool(size - n * getattr(module, "num_input_views", 1) == wanted)


def gives_on(module: Any, method: str) -> bool:
    """Whether the method gives back the streams that it was given: it uses the variable that holds them. Forks have it without a use."""
    original = inspect.unwrap(inspect.getattr_static(type(module), method))
    for step in dis.get_instructions(original.__code__):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        used = names[1:] if "STORE" in step.opname else names
        if "LOAD_FAST" in step.opname and UNMIXED in used:
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
    module, x = call.module, entering(call.args, call.kwargs)
    kept = x is not None and call.out[1] is x
    if x is None or not (kept or not isinstance(module.residual_transform, nn.Identity)):
        raise Refused("it must give on the streams that it was given")
    if getattr(module, "channel_first", False) or isinstance(module.dynamic_alpha_fn, nn.Conv2d):
        x = x.movedim(1, -1)
    n = module.num_residual_streams
    streams = x.reshape(-1, n, *x.shape[1:]).movedim(1, -2)
    return (Reading("", None, tuple(streams.shape[:-2]), lambda: streams),)


def sites(module: Any) -> Iterable[Site]:
    """The method, and the einsum of its file."""
    return (Site(METHOD, ("einsum",)),)


def recognise_mixed(module: Any) -> Iterable[Found]:
    """What mixes its streams."""
    return [one for one in recognise(module) if one.stored != "identity"]


def recognise_unmixed(module: Any) -> Iterable[Found]:
    """What passes them on."""
    return [one for one in recognise(module) if one.stored == "identity"]


adapter = Adapter("lucidrains", recognise_mixed, sites, read, formula)
unmixed = Adapter(
    "lucidrains, unmixed", recognise_unmixed, lambda module: (Site(METHOD),), read_unmixed
)
