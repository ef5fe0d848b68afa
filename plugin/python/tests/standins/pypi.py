"""The real mhc-pytorch 0.2.3, mhc 0.5.5 and mhc-ddim 0.2.5. (mhc and mhc-pytorch are imported by
one name: GAINWATCH_MHC chooses.)"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from . import formulas as f
from .base import BATCH, H_COLUMNS, Array, Implementation, Reference, Site
from .packages import load, missing

ROW = "PyPI"


def manifold(n: int, d: int, index: int) -> nn.Module:
    """mhc-pytorch: makes n streams of one, mixes them, and takes their mean."""
    made = load("mhc-pytorch", "mhc").ManifoldHyperConnections(d, n, nn.Linear(d, d))
    with torch.no_grad():
        for name in ("pre", "post", "res"):
            getattr(made, f"phi_{name}").weight.mul_(2)
            parameter = getattr(made, f"b_{name}")
            parameter.add_(torch.randn_like(parameter) * 2)
    return made


def collapsed(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """H is applied as it is (row = destination), its columns are exact; x [tokens, n, d] holds n
    copies of one."""
    x = x.mean(1, keepdims=True).repeat(x.shape[1], 1)  # of the layer before, only the mean is left
    n = x.shape[1]
    flat = f.rms(x.reshape(len(x), -1), float(np.finfo(np.float32).eps))
    tilde = [
        f.values(getattr(module, f"alpha_{part}"))
        * (
            flat @ f.values(getattr(module, f"phi_{part}").weight).T
            + f.values(getattr(module, f"phi_{part}").bias)
        )
        for part in ("pre", "post", "res")
    ]
    pre, post = (
        f.sigmoid(tilde[0] + f.values(module.b_pre)),
        2 * f.sigmoid(tilde[1] + f.values(module.b_post)),
    )
    h = f.sinkhorn(tilde[2].reshape(-1, n, n) + f.values(module.b_res), (-1, -2))
    return Reference(h, f.weighted(pre, x), f.gate(post), pre, post)


class History(nn.Module):
    """mhc 0.5.5: each layer adds to its output a convex mix of the last n outputs; the window of n
    is what plays the streams."""

    def __init__(self, skip: nn.Module, d: int) -> None:
        super().__init__()
        self.base_module, self.skip = nn.Linear(d, d), skip

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """[b, s, n, d], newest last -> the window moved on by one."""
        history = list(window.unbind(2))
        return torch.stack([*history[1:], self.skip(self.base_module(history[-1]), history)], 2)


def skip(name: str) -> Any:
    def layer(n: int, d: int, index: int) -> nn.Module:
        layers = load("mhc", "mhc.layers")
        spread = 3.0 if name == "matrix" else 1.0
        made = (
            layers.MatrixMHCSkip(max_history=n)
            if name == "matrix"
            else layers.MHCSkip(
                mode="mhc",
                max_history=n,
                constraint="simplex",
                temperature=1.0,
                epsilon=0.1,
                init="uniform",
            )
        )
        with torch.no_grad():
            made.mixing_logits.add_(torch.randn_like(made.mixing_logits) * spread)
        return History(made, d)

    return layer


def companion(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """The window moves on by one: rows 0 to n - 2 shift, the last holds the weights, of a matrix
    only its last row."""
    n = x.shape[1]
    logits = f.values(module.mixing_logits)
    weights = (
        f.softmax(logits)
        if logits.ndim == 1
        else f.alternate(np.exp(logits - logits.max(-1, keepdims=True)), (-1, -2), 10, 1e-9)[-1]
    )
    h = np.eye(n, k=1)
    h[-1] = weights
    post = np.zeros((1, n))
    post[:, -1] = 1
    return Reference(h[None], x[:, -1], f.gate(post))


class Pictures(nn.Module):
    """mhc-ddim's MHCResBlock in a model that gives it its embedding; streams [N, n, C, H, W]."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        block = load("mhc-ddim", "mhc_ddim.unet").MHCResBlock(
            d, 8, 0.0, num_streams=n, use_stream_bias=False
        )
        with torch.no_grad():
            for name, size in (
                ("H_res_logits", 4.0),
                ("H_pre_logits", 1.0),
                ("H_post_logits", 1.0),
            ):
                getattr(block, name).copy_(torch.randn_like(getattr(block, name)) * size)
            nn.init.normal_(block.out_layers[-1].weight, std=0.1)
        self.block, self.branch = block, Inner(block)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x, torch.zeros(len(x), 8, dtype=x.dtype))


class Inner(nn.Module):
    """What the block does between collapse and spread, on [tokens, d] in its order."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.out = block.out_layers[-1]  # silenced with it
        self.__dict__["block"] = block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        block = self.__dict__["block"].double()
        for part in block.modules():  # theirs goes to float32 whatever its weights are
            part.__class__ = nn.GroupNorm if isinstance(part, nn.GroupNorm) else part.__class__
        pictures = x.reshape(BATCH, ROWS, -1, x.shape[-1]).movedim(-1, 1)
        embedding = block.emb_layers(torch.zeros(len(pictures), 8, dtype=x.dtype))
        return (
            block.out_layers(block.in_layers(pictures) + embedding[..., None, None])
            .movedim(1, -1)
            .reshape(x.shape)
        )


ROWS = 2  # of a picture


def pictures(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [b, n, d, 2, s / 2]."""
    return x.unflatten(1, (ROWS, -1)).permute(0, 3, 4, 1, 2).contiguous()


def ddim(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    h = f.sinkhorn(f.values(module.H_res_logits), (-1, -2))
    pre, post = (
        f.softmax(f.values(module.H_pre_logits))[None],
        f.softmax(f.values(module.H_post_logits))[None],
    )
    return Reference(h[None], f.weighted(pre, x), f.gate(post), pre, post)


def implementations() -> list[Implementation]:
    site, block = (Site("skip", companion, "base_module"),), (Site("block", ddim, "branch"),)
    there: dict[str, Any] = {"available": lambda: missing("mhc"), "static": True}
    there["note"] = "of a window of its own last outputs; as streams it is a companion matrix"
    one: dict[str, Any] = {"available": lambda: missing("mhc-pytorch"), "collapsed": True}
    one["pack"] = lambda x: x.mean(2)
    one["unpack"] = lambda x, n: x.reshape(-1, 1, x.shape[-1]).repeat(1, n, 1)
    one["note"] = "its streams live within it: n copies in, their mean out"
    drawn: dict[str, Any] = {"available": lambda: missing("mhc-ddim"), "static": True}
    drawn["pack"], drawn["channels"] = pictures, 32
    drawn["unpack"] = lambda x, n: x.permute(0, 3, 4, 1, 2).reshape(-1, n, x.shape[2])
    inner, matrix, simplex = (Site("", collapsed, "block"),), skip("matrix"), skip("simplex")
    none, rows = ("mhc", "none", "none"), ("mhc", "none", "rows")
    return [
        Implementation("mhc-pytorch", ROW, manifold, inner, *H_COLUMNS, **one),
        Implementation("mhc MatrixMHCSkip", ROW, matrix, site, *none, found="never", **there),
        Implementation("mhc MHCSkip", ROW, simplex, site, *rows, found="never", **there),
        Implementation("mhc-ddim", ROW, lambda n, d, i: Pictures(n, d), block, *H_COLUMNS, **drawn),
    ]
