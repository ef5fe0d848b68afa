"""What hyper-connections 0.4.11 does, in float64: HC, mHC, mHCv2, with fractions, views and
proposals."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from . import formulas as f
from .base import BATCH, Array, Reference


def coefficients(module: Any, x: Array) -> tuple[Array, Array, Array]:
    """Normed streams [t, n f, d/f], alpha before constraints and beta before its own, of any of the
    three classes: alpha [p, t, ...]."""
    normed = f.unit_rms(x) * (1 + f.values(module.norm.gamma))
    fn, beta_fn = f.values(module.dynamic_alpha_fn), f.values(module.dynamic_beta_fn)
    return normed, fn if fn.ndim == 3 else fn[None], beta_fn.reshape(len(beta_fn), -1)


def hyper(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """HC, and mHC as its fractions are: x [t, (f n), d/f]. alpha [t, f1, s, (f2, v + n)]."""
    count, (n, fracs, views) = (
        len(x),
        (module.num_residual_streams, module.num_fracs, module.num_input_views),
    )
    normed, fn, beta_fn = coefficients(module, x)
    plain = hasattr(module, "act")
    act = np.tanh if plain and isinstance(module.act, nn.Tanh) else lambda value: value
    scale = (
        f.values(module.dynamic_alpha_scale)
        if plain
        else np.concatenate(
            [
                f.values(module.pre_branch_scale).repeat(fracs),
                f.values(module.residual_scale).repeat(fracs * n),
            ]
        )
    )
    alpha = act(np.einsum("tsd,pde->ptse", normed, fn)) * scale + f.values(module.static_alpha)
    if not plain:
        alpha = np.concatenate(
            [
                f.sigmoid(alpha[..., :views]),
                balanced(alpha[..., views:].reshape(len(fn), count, fracs, n, -1)).reshape(
                    len(fn), count, fracs * n, -1
                ),
            ],
            -1,
        )
    alpha = alpha.mean(0).reshape(count, fracs * n, fracs, views + n)  # [t, (f1 s), f2, t]
    post_scale = f.values(module.dynamic_beta_scale if plain else module.h_post_scale)
    static = f.values(module.static_beta).reshape(n, fracs)
    beta = act(normed @ beta_fn).reshape(count, fracs, n, fracs) * post_scale + static
    made = parts(x, alpha, beta if plain else 2 * f.sigmoid(beta), views)
    # 0.4.11 adds to every position the sum of the branch's output over all of them
    if getattr(module, "channel_first", False):
        write = made.write
        return made._replace(
            write=lambda y: write(
                y.reshape(BATCH, -1, y.shape[-1])
                .sum(1, keepdims=True)
                .repeat(count // BATCH, 1)
                .reshape(y.shape)
            )
        )
    return made


def balanced(logits: Array) -> Array:
    """mHC's Sinkhorn over [..., n, m]: columns, then rows; square unless there are fractions."""
    return f.alternate(np.exp(logits - logits.max(-2, keepdims=True)), (-2, -1), 20)


def parts(x: Array, alpha: Array, beta: Array, views: int) -> Reference:
    """alpha [t, (f1 s), f2, v + n], beta [t, f1, s, f2], x [t, (f1 s), c] -> the truth; the branch
    reads f2 after f2, summed over its views."""
    count, wide, fracs, total = alpha.shape
    n = total - views
    h = alpha[..., views:].transpose(0, 2, 3, 1).reshape(count, fracs * n, wide)
    read = np.einsum("tafv,tac->tfvc", alpha[..., :views], x).sum(2).reshape(count, -1)

    def write(y: Array) -> Array:
        return np.einsum("tac,tasf->tfsc", y.reshape(count, fracs, -1), beta).reshape(
            count, fracs * n, -1
        )

    one = fracs == 1 and views == 1
    return Reference(
        h, read, write, alpha[:, :, 0, 0] if one else None, beta[:, 0, :, 0] if one else None
    )


def second(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """mHCv2: streams [t, (s f), d/f], H over (s f)."""
    count, (n, fracs) = len(x), (module.num_residual_streams, module.num_fracs)
    normed, fn, beta_fn = coefficients(module, x)
    scale = np.concatenate(
        [
            f.values(module.pre_branch_scale).repeat(fracs),
            f.values(module.residual_scale).repeat(fracs * n),
        ]
    )
    alpha = np.einsum("tsd,pde->ptse", normed, fn) * scale + f.values(module.static_alpha)
    pre, res = f.sigmoid(alpha[..., :fracs]).mean(0), balanced(alpha[..., fracs:]).mean(0)
    beta = (normed @ beta_fn).reshape(count, n, fracs, fracs) * f.values(
        module.h_post_scale
    ) + f.values(module.static_beta)
    beta = 2 * f.sigmoid(beta)  # [t, s, f1, f2]
    read = np.einsum("taf,tac->tfc", pre, x).reshape(count, -1)

    def write(y: Array) -> Array:
        return np.einsum("tac,tsaf->tsfc", y.reshape(count, fracs, -1), beta).reshape(
            count, n * fracs, -1
        )

    one = fracs == 1
    return Reference(
        f.swap(res), read, write, pre[..., 0] if one else None, beta[:, :, 0, 0] if one else None
    )
