"""Published formulas in float64 NumPy, written from the papers and the table: the truth that
adapters are held against. No torch but to read parameters."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

Array = Any  # a float64 NumPy array


def values(parameter: Any) -> Array:
    """A parameter in float64."""
    return parameter.detach().double().cpu().numpy()


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def rms(x: Array, epsilon: float = 1e-6) -> Array:
    """x over its root mean square over the last axis."""
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon)


def unit_rms(x: Array) -> Array:
    """lucidrains' RMSNorm without its weight: x over its norm, times sqrt(d)."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) * np.sqrt(x.shape[-1])


def swap(x: Array) -> Array:
    """Transposed in its last two axes."""
    return np.swapaxes(x, -1, -2)


def alternate(matrix: Array, axes: tuple[int, int], iterations: int, epsilon: float = 0.0) -> Array:
    """Divides by the sums over axes[0], then over axes[1], `iterations` times: the latter end
    exact. (-1: rows, -2: columns.)"""
    for _ in range(iterations):
        for axis in axes:
            matrix = matrix / (matrix.sum(axis, keepdims=True) + epsilon)
    return matrix


def sinkhorn(logits: Array, axes: tuple[int, int] = (-2, -1), iterations: int = 20) -> Array:
    """exp, then `alternate`. The paper's order is columns, rows."""
    return alternate(np.exp(logits - logits.max((-1, -2), keepdims=True)), axes, iterations)


def sinkhorn_deepseek(logits: Array, iterations: int = 20, epsilon: float = 1e-6) -> Array:
    """DeepSeek's kernel: comb, applied transposed. Softmax over rows + eps, columns, then rows and
    columns."""
    comb = softmax(logits) + epsilon
    comb = comb / (comb.sum(-2, keepdims=True) + epsilon)
    return alternate(comb, (-1, -2), iterations - 1, epsilon)


def sinkhorn_torchtitan(logits: Array, iterations: int = 20, epsilon: float = 1e-6) -> Array:
    """As DeepSeek's, but eps in the denominator of the first softmax instead of after it.
    MindSpeed's is the same."""
    start = np.exp(logits - logits.max(-1, keepdims=True))
    return alternate(start, (-1, -2), iterations, epsilon)


def deepseek(
    x: Array,
    fn: Array,
    base: Array,
    scale: Array,
    *,
    norm_epsilon: float = 1e-6,
    epsilon: float = 1e-6,
    balance: Callable[[Array], Array] = sinkhorn_deepseek,
) -> tuple[Array, Array, Array]:
    """Streams [tokens, n, d] -> pre [tokens, n], post [tokens, n], comb [tokens, n, n]; fn [(2 + n)
    n, n d]."""
    n = x.shape[1]
    mixes = rms(x.reshape(len(x), -1), norm_epsilon) @ fn.T
    parts, biases = np.split(mixes, [n, 2 * n], axis=-1), np.split(base, [n, 2 * n])
    pre, post, comb = (part * factor + bias for part, factor, bias in zip(parts, scale, biases))
    return sigmoid(pre) + epsilon, 2 * sigmoid(post), balance(comb.reshape(-1, n, n))


def weighted(pre: Array, x: Array) -> Array:
    """sum_i pre_i x_i: [tokens, d]."""
    return (pre[..., None] * x).sum(-2)


def gate(post: Array) -> Callable[[Array], Array]:
    """Branch output [tokens, d] -> post_i y, [tokens, n, d]."""
    return lambda y: post[..., None] * y[:, None, :]
