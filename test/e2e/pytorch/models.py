"""Small character language models with hyper-connections: lucidrains' package, and a block written as DeepSeek's is."""
from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

STREAMS = 4


class Attention(nn.Module):
    """Causal, [b, s, d] -> [b, s, d]."""

    def __init__(self, dim: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, s, d = x.shape
        q, k, v = (t.view(b, s, self.heads, d // self.heads).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, dim=-1))
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, s, d))


class MLP(nn.Sequential):
    def __init__(self, dim: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))


class DeepSeekBlock(nn.Module):
    """Two connections over x [b, s, n, d]. comb [b, s, n, n] is applied transposed. kind "hc": comb has signs and no Sinkhorn."""

    def __init__(self, dim: int, kind: str, iterations: int = 20, eps: float = 1e-6) -> None:
        super().__init__()
        n = STREAMS
        self.kind, self.iterations, self.eps = kind, iterations, eps
        self.attn, self.mlp = Attention(dim), MLP(dim)
        for part in ("attn", "ffn"):
            setattr(self, f"hc_{part}_fn", nn.Parameter(torch.randn((2 + n) * n, n * dim) * 0.02))
            base = torch.zeros((2 + n) * n)
            base[2 * n :] = (torch.eye(n) if kind == "hc" else 5 * torch.eye(n) - 5).reshape(-1)
            setattr(self, f"hc_{part}_base", nn.Parameter(base))
            setattr(self, f"hc_{part}_scale", nn.Parameter(torch.full((3,), 0.1)))

    def hc_pre(self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor) -> Any:
        n = STREAMS
        flat = x.flatten(2).float()
        mixes = F.linear(flat, hc_fn.float()) * torch.rsqrt(flat.square().mean(-1, keepdim=True) + 1e-6)
        pre, post, comb = mixes.split([n, n, n * n], dim=-1)
        pre = torch.sigmoid(pre * hc_scale[0] + hc_base[:n]) + self.eps
        post = 2 * torch.sigmoid(post * hc_scale[1] + hc_base[n : 2 * n])
        logits = (comb * hc_scale[2] + hc_base[2 * n :]).unflatten(-1, (n, n))
        if self.kind == "hc":
            return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, logits
        comb = logits.softmax(-1) + self.eps
        comb = comb / (comb.sum(-2, keepdim=True) + self.eps)
        for _ in range(self.iterations - 1):
            comb = comb / (comb.sum(-1, keepdim=True) + self.eps)
            comb = comb / (comb.sum(-2, keepdim=True) + self.eps)
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb

    def hc_post(self, y: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor) -> torch.Tensor:
        return (post.unsqueeze(-1) * y.unsqueeze(-2) + comb.transpose(-1, -2) @ residual).type_as(y)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.hc_pre(x, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base)
        x = self.hc_post(self.attn(y), x, post, comb)
        y, post, comb = self.hc_pre(x, self.hc_ffn_fn, self.hc_ffn_scale, self.hc_ffn_base)
        return self.hc_post(self.mlp(y), x, post, comb)


class LanguageModel(nn.Module):
    """Bytes [b, s] -> logits [b, s, 256]. first, last: this model holds the embedding, the head (stages of a pipeline)."""

    def __init__(self, package: str, kind: str, dim: int = 32, layers: int = 8, length: int = 32, begin: int = 0, end: int | None = None) -> None:
        super().__init__()
        end = layers if end is None else end
        self.package, self.first, self.last = package, begin == 0, end == layers
        if self.first:
            self.embed, self.place = nn.Embedding(256, dim), nn.Parameter(torch.randn(length, dim) * 0.02)
        self.layers = nn.ModuleDict()  # named by their place in the whole model
        for layer in range(layers):  # all are made, so that a stage has the weights that the whole model has
            if package == "deepseek":
                made = [DeepSeekBlock(dim, kind)]
            else:
                made = [lucidrains(kind, dim, branch, 2 * layer + i) for i, branch in enumerate((Attention(dim), MLP(dim)))]
            if begin <= layer < end:
                self.layers.update({str(len(made) * layer + i): module for i, module in enumerate(made)})
        if self.last:
            self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 256, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first:
            x = self.embed(x) + self.place[: x.shape[1]]
            x = x.unsqueeze(2).repeat(1, 1, STREAMS, 1) if self.package == "deepseek" else x.repeat_interleave(STREAMS, 0)
        for layer in self.layers.values():
            x = layer(x)
        if self.last:
            x = self.head(self.norm(x.sum(2) if self.package == "deepseek" else x.unflatten(0, (-1, STREAMS)).sum(1)))
        return x


def lucidrains(kind: str, dim: int, branch: nn.Module, index: int) -> nn.Module:
    import hyper_connections

    if kind == "mhc":
        from hyper_connections.manifold_constrained_hyper_connections import ManifoldConstrainedHyperConnections as Kind
    else:
        Kind = hyper_connections.HyperConnections
    return Kind(STREAMS, dim=dim, branch=branch, layer_index=index)


def mappings(model: nn.Module, run: Any) -> list:
    """H_res [tokens, n, n] of every connection in float64, worked out from the streams x that each connection is given while run()
    runs, and from its parameters: nothing here is shared with gainwatch.py."""
    found: list = []
    handles = []
    for module in model.modules():
        if isinstance(module, DeepSeekBlock):
            handles.append((module, module.forward))

            def forward(x, module=module, forward=module.forward):
                state = {}
                original = module.hc_post
                module.hc_post = lambda y, r, post, comb: state.setdefault("r", []).append(r.detach()) or original(y, r, post, comb)
                try:
                    out = forward(x)
                finally:
                    del module.hc_post
                found.extend(deepseek_mapping(module, part, r) for part, r in zip(("attn", "ffn"), state["r"]))
                return out

            module.forward = forward
        elif hasattr(module, "static_alpha"):
            handles.append((module, None))
            module._dump = module.register_forward_pre_hook(lambda m, args: found.append(lucidrains_mapping(m, args[0].detach())))
    try:
        run()
    finally:
        for module, forward in handles:
            if forward is None:
                module._dump.remove()
                del module._dump
            else:
                del module.forward
    return found


def deepseek_mapping(module: DeepSeekBlock, part: str, x: torch.Tensor) -> Any:
    import numpy as np

    n, eps = STREAMS, module.eps
    fn, base, scale = (getattr(module, f"hc_{part}_{name}").detach().double().cpu().numpy() for name in ("fn", "base", "scale"))
    x = x.double().flatten(0, 1).flatten(1).cpu().numpy()
    logits = (x @ fn.T / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6))[:, 2 * n :] * scale[2] + base[2 * n :]
    m = logits.reshape(-1, n, n)
    if module.kind == "mhc":
        m = np.exp(m - m.max(-1, keepdims=True))
        m = m / m.sum(-1, keepdims=True) + eps
        m = m / (m.sum(-2, keepdims=True) + eps)
        for _ in range(module.iterations - 1):
            m = m / (m.sum(-1, keepdims=True) + eps)
            m = m / (m.sum(-2, keepdims=True) + eps)
    return m.transpose(0, 2, 1)


def lucidrains_mapping(module: nn.Module, x: torch.Tensor) -> Any:
    """Versions before 0.3.12 work H_res out and then pass the streams on unmixed: there it is the identity."""
    import numpy as np

    def array(parameter: torch.Tensor) -> Any:
        return parameter.detach().double().cpu().numpy()

    n = STREAMS
    x = x.double().unflatten(0, (-1, n)).movedim(1, -2).flatten(0, 1).cpu().numpy()
    if UNMIXED:
        return np.broadcast_to(np.eye(n), (x.shape[0], n, n))
    gamma, fn, static = array(module.norm.gamma), array(module.dynamic_alpha_fn), array(module.static_alpha)
    normed = x / np.maximum(np.sqrt((x * x).sum(-1, keepdims=True)), 1e-12) * math.sqrt(x.shape[-1]) * (gamma + 1)
    fn = fn[0] if fn.ndim == 3 else fn
    if hasattr(module, "dynamic_alpha_scale"):
        alpha = np.tanh(normed @ fn) * array(module.dynamic_alpha_scale) + static
        return alpha[..., 1:].transpose(0, 2, 1)
    alpha = (normed @ fn)[..., 1:] * array(module.residual_scale) + static[:, 1:]
    m = np.exp(alpha - alpha.max(-2, keepdims=True))
    for _ in range(20):
        m = m / np.maximum(m.sum(-2, keepdims=True), 1e-12)
        m = m / np.maximum(m.sum(-1, keepdims=True), 1e-12)
    return m.transpose(0, 2, 1)


def _unmixed() -> bool:
    try:
        from hyper_connections import HyperConnections
    except ImportError:
        return False
    torch_state = torch.random.get_rng_state()
    x = torch.zeros(STREAMS, 1, 4)
    probe = HyperConnections(STREAMS, dim=4, layer_index=0)
    torch.random.set_rng_state(torch_state)
    return probe.width_connection(x)[1] is x


UNMIXED = _unmixed()
