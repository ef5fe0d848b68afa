"""Stand-ins of mixers that are modules of their own and return (pre, post, comb): NeMo Automodel's
DeepSeek V4 and V4.1, and AMD Primus' HyperMixer.

Own code of the same names, shapes, arguments and order of results.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site
from .deepseek import SinglePassStack, mixes, of, rough, split, spread

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class DeepseekV4HyperConnection(nn.Module):
    """NeMo's: transformers' parameters, other results: (pre, post, comb), the streams are not
    collapsed."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.hc_mult, self.hc_sinkhorn_iters, self.hc_eps, self.norm_eps, self.sinkhorn_backend = (
            n,
            20,
            1e-6,
            1e-6,
            "torch",
        )
        self.fn, self.base, self.scale = rough((2 + n) * n, n, d)

    def compute_weights(self, hidden_streams: torch.Tensor) -> Three:
        return split(mixes(hidden_streams, self.fn), self.scale, self.base, self.hc_mult)

    def forward(self, hidden_streams: torch.Tensor) -> Three:
        return self.compute_weights(hidden_streams)


class V4Block(nn.Module):
    def __init__(self, n: int, d: int, direct: bool) -> None:
        super().__init__()
        self.attn_hc, self.ffn_hc, self.direct = (
            DeepseekV4HyperConnection(n, d),
            DeepseekV4HyperConnection(n, d),
            direct,
        )
        self.self_attn, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for mixer, branch in ((self.attn_hc, self.self_attn), (self.ffn_hc, self.mlp)):
            pre, post, comb = mixer.compute_weights(x) if self.direct else mixer(x)
            y = branch((pre.unsqueeze(-1) * x).sum(2).to(x.dtype))
            x = (
                post.to(x.dtype).unsqueeze(-1) * y.unsqueeze(-2)
                + comb.transpose(-1, -2).to(x.dtype) @ x
            )
        return x


class DeepseekV41Mix(NamedTuple):
    pre: torch.Tensor
    post: torch.Tensor
    comb: torch.Tensor


class DeepseekV41HyperConnection(nn.Module):
    """NeMo's V4.1: `streams` instead of hc_mult, a named tuple, pre is for the next site."""

    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.sinkhorn_backend, self.streams, self.iterations, self.eps, self.norm_eps = (
            "torch",
            n,
            20,
            1e-6,
            1e-6,
        )
        self.fn, self.base, self.scale = rough((2 + n) * n, n, d)

    def forward(self, hidden_states: torch.Tensor) -> DeepseekV41Mix:
        return DeepseekV41Mix(
            *split(mixes(hidden_states, self.fn), self.scale, self.base, self.streams)
        )

    @staticmethod
    def collapse(hidden_states: torch.Tensor, pre_mix: torch.Tensor) -> torch.Tensor:
        return (pre_mix.unsqueeze(-1) * hidden_states.float()).sum(2).to(hidden_states.dtype)

    @staticmethod
    def expand(output: torch.Tensor, residual: torch.Tensor, mix: DeepseekV41Mix) -> torch.Tensor:
        return spread(output, residual, mix.post, mix.comb)


class V41Block(nn.Module):
    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.attn_hc, self.ffn_hc = (
            DeepseekV41HyperConnection(n, d),
            DeepseekV41HyperConnection(n, d),
        )
        self.attn, self.ffn = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor, pre: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for mixer, branch in ((self.attn_hc, self.attn), (self.ffn_hc, self.ffn)):
            mix = mixer(x)
            x, pre = mixer.expand(branch(mixer.collapse(x, pre)), x, mix), mix.pre
        return x, pre


class HyperMixer(nn.Module):
    """Primus': fn is a Linear, compute_weights -> (pre, post, comb), no forward. expand is static;
    until 2026 it took comb as it is, since then transposed."""

    def __init__(self, *, hidden_size: int, hc_mult: int) -> None:
        super().__init__()
        self.hidden_size, self.hc_mult, self.eps, self.sinkhorn_iters = (
            hidden_size,
            hc_mult,
            1e-6,
            20,
        )
        fn, self.base, self.scale = rough((2 + hc_mult) * hc_mult, hc_mult, hidden_size)
        self.fn = nn.Linear(hc_mult * hidden_size, (2 + hc_mult) * hc_mult, bias=False)
        self.fn.weight = fn

    def compute_weights(self, x: torch.Tensor) -> Three:
        return split(mixes(x, self.fn.weight), self.scale, self.base, self.hc_mult)

    @staticmethod
    def collapse(x: torch.Tensor, pre: torch.Tensor) -> torch.Tensor:
        return (pre.unsqueeze(-1) * x).sum(-2)

    @staticmethod
    def expand(
        x: torch.Tensor, out: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return post.unsqueeze(-1) * out.unsqueeze(-2) + torch.matmul(comb, x)


class TransposedHyperMixer(HyperMixer):
    """As it is since it applies comb transposed."""

    @staticmethod
    def expand(
        x: torch.Tensor, out: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return HyperMixer.expand(x, out, post, comb.transpose(-1, -2).contiguous())


class PrimusLayer(nn.Module):
    def __init__(self, n: int, d: int, mixer: type[HyperMixer]) -> None:
        super().__init__()
        self.attn_hc, self.ffn_hc = mixer(hidden_size=d, hc_mult=n), mixer(hidden_size=d, hc_mult=n)
        self.self_attention, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for mixer, branch in ((self.attn_hc, self.self_attention), (self.ffn_hc, self.mlp)):
            pre, post, comb = mixer.compute_weights(x)
            x = mixer.expand(x, branch(mixer.collapse(x, pre)), post, comb)
        return x


def later(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    own = of("")(module, x, carry)
    before, carry["pre"] = carry.get("pre"), own.pre
    return own._replace(read=x[:, 0] if before is None else f.weighted(before, x))


def primus(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    pre, post, comb = f.deepseek(
        x, f.values(module.fn.weight), f.values(module.base), f.values(module.scale)
    )
    h = f.swap(comb) if isinstance(module, TransposedHyperMixer) else comb
    return Reference(h, f.weighted(pre, x), f.gate(post), pre, post)


def implementations() -> list[Implementation]:
    v4 = Site("attn_hc", of(""), "self_attn"), Site("ffn_hc", of(""), "mlp")
    v41 = Site("attn_hc", later, "attn"), Site("ffn_hc", later, "ffn")
    mixers = Site("attn_hc", primus, "self_attention"), Site("ffn_hc", primus, "mlp")
    row4, row41, row_primus = (
        "NeMo Automodel deepseek_v4",
        "NeMo deepseek_v41",
        "AMD Primus HyperMixer",
    )
    return [
        Implementation(
            "nemo v4", row4, lambda n, d, i: V4Block(n, d, False), v4, "mhc", "comb", "rows"
        ),
        Implementation(
            "nemo v4, compute_weights",
            row4,
            lambda n, d, i: V4Block(n, d, True),
            v4,
            "mhc",
            "comb",
            "rows",
            note="forward is not called",
        ),
        Implementation(
            "nemo v4.1",
            row41,
            lambda n, d, i: V41Block(n, d),
            v41,
            "mhc",
            "comb",
            "rows",
            stack=SinglePassStack,
        ),
        Implementation(
            "primus",
            row_primus,
            lambda n, d, i: PrimusLayer(n, d, HyperMixer),
            mixers,
            "mhc",
            "H",
            "columns",
        ),
        Implementation(
            "primus, transposed",
            row_primus,
            lambda n, d, i: PrimusLayer(n, d, TransposedHyperMixer),
            mixers,
            "mhc",
            "comb",
            "rows",
        ),
    ]
