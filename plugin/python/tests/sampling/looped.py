"""Layers that are run as often as they are told, and the product of the matrices that they applied. No test."""

from __future__ import annotations

import random
from typing import Any, Optional, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.support import Body

N, D = 4, 8


class Mix(nn.Module):
    """Streams [b, s, n, d] mixed by a matrix of its own, comb, in DeepSeek's structure."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        comb = torch.eye(N) + 0.3 * torch.randn(N, N, generator=generator)
        self.hc_mult = N
        self.fn = nn.Parameter(torch.zeros((2 + N) * N, N * D))
        self.base = nn.Parameter(torch.cat([torch.zeros(2 * N), comb.flatten()]))
        self.scale = nn.Parameter(torch.ones(3))

    @property
    def h(self) -> Any:
        """As applied, float64."""
        return self.base[2 * N :].detach().double().numpy().reshape(N, N).T

    def forward(self, x: Tensor) -> Any:
        comb = self.base[2 * N :].unflatten(0, (N, N)).expand(*x.shape[:2], N, N)
        return x.mean(2), comb, x.sum(2)


class Layer(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.hc = Mix(seed)

    def forward(self, x: Tensor) -> Tensor:
        _, comb, _ = self.hc(x)
        return comb.transpose(-1, -2) @ x


class Looped(nn.Module):
    """Its layers, as often in turn as it is told; some are left out by chance."""

    def __init__(
        self, layers: int, times: int = 1, drop: float = 0.0, keep: Optional[bool] = None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(seed) for seed in range(layers))
        self.times, self.drop, self.keep = times, drop, keep
        self.chance = random.Random(3)
        self.ran: list[Any] = []  # of the last pass: matrices as applied

    def forward(self, x: Tensor) -> Tensor:
        self.ran = []
        for _ in range(self.times):
            for layer in self.layers:
                if self.chance.random() >= self.drop:
                    self.ran.append(cast(Any, layer).hc.h)
                    x = (
                        layer(x)
                        if self.keep is None
                        else checkpoint(layer, x, use_reentrant=not self.keep)
                    )
        return x


def product(matrices: list[Any]) -> Any:
    """Of the matrices in the order in which they are applied."""
    found = np.eye(N)
    for matrix in matrices:
        found = matrix.astype(np.float64) @ found
    return found


def sent(body: Body) -> Any:
    """The product of what one body says."""
    return product(
        [
            body.tensors[name][0] if body.tensors[name].ndim == 3 else body.tensors[name]
            for name in body.order
        ]
    )


def bare(model: Looped) -> Looped:
    """Without what a compiled forward cannot hold."""

    def forward(x: Tensor) -> Tensor:
        for _ in range(model.times):
            for layer in model.layers:
                x = layer(x)
        return x

    model.forward = forward  # type: ignore[method-assign]
    return model
