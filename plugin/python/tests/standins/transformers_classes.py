"""The real connections of transformers 5.24 in a layer of our own, and tiny whole models of its
own: deepseek_v4, glm5_next, hy_v4, qwen4_exp."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site
from .deepseek import of
from .packages import load, missing


def config(n: int, d: int) -> Any:
    """What the connections read of a configuration."""
    return SimpleNamespace(
        hc_mult=n,
        hc_count=n,
        hidden_size=d,
        hc_sinkhorn_iters=20,
        hc_eps=1e-6,
        rms_norm_eps=1e-6,
        hc_magnitude=2.0,
        hc_lowrank=4,
    )


def roughen(connection: nn.Module, n: int, d: int) -> nn.Module:
    with torch.no_grad():
        for name, parameter in connection.named_parameters():
            if name == "scale":
                parameter.copy_(torch.tensor([0.9, 1.1, 1.3])[: len(parameter)])
            elif name == "fn":
                parameter.copy_(torch.randn_like(parameter) * 1.5 / (n * d) ** 0.5)
            elif name == "base":
                parameter.copy_(torch.randn_like(parameter) * 2)
            elif "norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return connection


def connection(model: str, name: str, n: int, d: int) -> Any:
    cls = getattr(load("transformers", f"transformers.models.{model}.modeling_{model}"), name)
    return roughen(cls(config(n, d)), n, d)


class Layer(nn.Module):
    """A decoder layer without attention: two connections around a line each."""

    def __init__(self, make: Callable[[], nn.Module], d: int) -> None:
        super().__init__()
        self.attn_hc, self.ffn_hc = make(), make()
        self.self_attn, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def one(self, hc: nn.Module, branch: nn.Module, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(self.ffn_hc, self.mlp, self.one(self.attn_hc, self.self_attn, x))


class Mixed(Layer):
    """deepseek_v4, glm5_next: (post, comb, collapsed)."""

    def one(self, hc: nn.Module, branch: nn.Module, x: torch.Tensor) -> torch.Tensor:
        post, comb, read = hc(x)
        return post.unsqueeze(-1) * branch(read).unsqueeze(-2) + comb.transpose(-1, -2) @ x


class Independent(Layer):
    """hy_v4: (post, out)."""

    def one(self, hc: nn.Module, branch: nn.Module, x: torch.Tensor) -> torch.Tensor:
        post, read = hc(x)
        return post.unsqueeze(-1) * branch(read).unsqueeze(-2) + x


class Gated(Layer):
    """qwen4_exp: (u, h, w); streams [b, s, n d]."""

    def one(self, hc: nn.Module, branch: nn.Module, x: torch.Tensor) -> torch.Tensor:
        read, kept, write = hc(x)
        return kept + (branch(read).unsqueeze(-2) * write.unsqueeze(-1)).flatten(-2)


def independent(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """hy_v4: H = I, post = magnitude sigmoid + eps."""
    n = x.shape[1]
    logits = f.rms(x.reshape(len(x), -1), module.input_norm.eps) @ f.values(module.fn).T
    scale, base = f.values(module.scale), f.values(module.base)
    pre = f.sigmoid(logits[:, :n] * scale[0] + base[:n]) + module.hc_eps
    post = module.hc_post_magnitude * f.sigmoid(logits[:, n:] * scale[1] + base[n:]) + module.hc_eps
    return Reference(np.eye(n)[None].repeat(len(x), 0), f.weighted(pre, x), f.gate(post), pre, post)


def gated(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """qwen4_exp: H = I, a read gate of one number a channel."""
    n = x.shape[1]
    flat = f.rms(x).reshape(len(x), -1) * (1 + f.values(module.hc_norm.weight))
    down = flat @ f.values(module.input_mix_weight_down.weight).T / n
    mix = f.sigmoid((down * f.sigmoid(down)) @ f.values(module.input_mix_weight_up.weight).T)
    post = 2 * f.sigmoid(flat @ f.values(module.block_inject_weight.weight).T / n)
    read = (mix * flat).reshape(x.shape).mean(1)
    return Reference(np.eye(n)[None].repeat(len(x), 0), read, f.gate(post), None, post)


def implementations() -> list[Implementation]:
    def made(
        name: str,
        row: str,
        model: str,
        cls: str,
        layer: type[Layer],
        how: Any,
        kind: str,
        stored: str,
        exact: str,
        **more: Any,
    ) -> Implementation:
        places = Site("attn_hc", how, "self_attn"), Site("ffn_hc", how, "mlp")
        return Implementation(
            name,
            row,
            lambda n, d, i: layer(lambda: connection(model, cls, n, d), d),
            places,
            kind,
            stored,
            exact,
            available=lambda: missing("transformers"),
            **more,
        )

    flat: dict[str, Any] = {
        "pack": lambda x: x.flatten(2),
        "unpack": lambda x, n: x.reshape(-1, n, x.shape[-1] // n),
    }
    both = "transformers deepseek_v4, glm5_next"
    return [
        made(
            "transformers deepseek_v4",
            both,
            "deepseek_v4",
            "DeepseekV4HyperConnection",
            Mixed,
            of(""),
            "mhc",
            "comb",
            "rows",
        ),
        made(
            "transformers glm5_next",
            both,
            "glm5_next",
            "Glm5NextTextHyperConnection",
            Mixed,
            of(""),
            "mhc",
            "comb",
            "rows",
        ),
        made(
            "transformers hy_v4",
            "transformers hy_v4",
            "hy_v4",
            "HYV4HyperConnection",
            Independent,
            independent,
            "identity",
            "identity",
            "doubly",
        ),
        made(
            "transformers qwen4_exp",
            "transformers qwen4_exp",
            "qwen4_exp",
            "Qwen4ExpTextGatedResidual",
            Gated,
            gated,
            "identity",
            "identity",
            "doubly",
            **flat,
        ),
    ]
