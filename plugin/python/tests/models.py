"""Small language models with connections for tests of whole loops, made as test/e2e/pytorch makes them. No test."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import Any, Callable, Optional

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.standins import packages

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "test" / "e2e" / "pytorch"))
import models as language  # type: ignore[import-not-found]

packages.missing("hyper-connections")  # puts its folder on the path
DEVICE = os.environ.get("GAINWATCH_DEVICE", "cpu")
TOKENS = 24  # of `tokens_of`
LEARNED = ("static_alpha", "dynamic_alpha_fn", "hc_", "static_beta")


def model_of(package: str, kind: str, layers: int = 2, seed: int = 0) -> Any:
    """Two connections a layer. package: deepseek, lucidrains; kind: hc, mhc. Its mappings are neither symmetric nor alike."""
    torch.manual_seed(seed)
    model = language.LanguageModel(package, kind, 16, layers, 12)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in LEARNED):
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.to(DEVICE)


def tokens_of(step: int = 0) -> Tensor:
    """[2, 12]"""
    return torch.randint(256, (2, 12), generator=torch.Generator().manual_seed(step)).to(DEVICE)


def expected(model: nn.Module, x: Tensor) -> Any:
    """H [connections, tokens, n, n] in float64, from the streams and the parameters, without gainwatch."""
    model.eval()
    with torch.no_grad():
        found = language.mappings(model, lambda: model(x))
    model.train()
    return np.stack(found)


def train(
    model: nn.Module,
    monitor: Any = None,
    steps: int = 1,
    optimizer: Any = None,
    call: Optional[Callable[[Tensor], Tensor]] = None,
) -> list[float]:
    """Of some steps, the losses. call: what is called in the place of the model."""
    losses = []
    for step in range(steps):
        x = tokens_of(step)
        loss = F.cross_entropy((model if call is None else call)(x).flatten(0, 1), x.flatten())
        loss.backward()
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if monitor is not None:
            monitor.step(loss)
    return losses
