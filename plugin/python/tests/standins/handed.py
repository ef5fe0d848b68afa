"""Stand-ins where the mathematics is elsewhere than the parameters: xorl and miles (a helper that
is no module), MindSpeed-LLM's MHC (stages), Liger.

Own code of the same names, shapes, arguments and order of results.
"""

from __future__ import annotations

import torch

from .base import COMB_ROWS, Implementation
from .deepseek import Parameters, Three, mixed, mixes, sites, split, spread
from .mindspeed import sequence_first


class HyperConnectionUtil:
    """xorl's: [b, s, n, d]; the mixing weights are made under no_grad, so that nothing of them
    learns."""

    def __init__(self, n: int) -> None:
        self.hc_mult, self.hc_sinkhorn_iters, self.hc_eps, self.norm_eps = n, 20, 1e-6, 1e-6

    def hc_pre_raw(
        self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor
    ) -> Three:
        with torch.no_grad():
            pre, post, comb = split(mixes(x, hc_fn), hc_scale, hc_base, self.hc_mult)
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb

    def hc_post_raw(
        self, x: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return spread(x, residual, post, comb)

    def layer_pre(
        self,
        hidden_states: torch.Tensor,
        hc_fn: torch.Tensor,
        hc_scale: torch.Tensor,
        hc_base: torch.Tensor,
    ) -> Three:
        return self.hc_pre_raw(x=hidden_states, hc_fn=hc_fn, hc_scale=hc_scale, hc_base=hc_base)

    def layer_post(
        self, output: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return self.hc_post_raw(output, residual, post, comb)


class SequenceFirstUtil(HyperConnectionUtil):
    """miles': the streams are [s, b, n, d], post and comb stay [b, s, ...]; with gradient."""

    def hc_pre_raw(
        self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor
    ) -> Three:
        return mixed(x, hc_fn, hc_scale, hc_base, self.hc_mult)

    def layer_pre(
        self,
        hidden_states: torch.Tensor,
        hc_fn: torch.Tensor,
        hc_scale: torch.Tensor,
        hc_base: torch.Tensor,
    ) -> Three:
        x, post, comb = self.hc_pre_raw(
            x=hidden_states.transpose(0, 1), hc_fn=hc_fn, hc_scale=hc_scale, hc_base=hc_base
        )
        return x.transpose(0, 1), post, comb

    def layer_post(
        self, output: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor
    ) -> torch.Tensor:
        return self.hc_post_raw(
            output.transpose(0, 1), residual.transpose(0, 1), post, comb
        ).transpose(0, 1)


class UtilLayer(Parameters):
    """The layer of both: hc_attn_fn, ... are its own."""

    def __init__(self, n: int, d: int, util: type[HyperConnectionUtil]) -> None:
        super().__init__(n, d)
        self.hc_util = util(n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.hc_util.layer_pre(
            x, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base
        )
        x = self.hc_util.layer_post(self.attn(y), x, post, comb)
        y, post, comb = self.hc_util.layer_pre(
            x, self.hc_ffn_fn, self.hc_ffn_scale, self.hc_ffn_base
        )
        return self.hc_util.layer_post(self.ffn(y), x, post, comb)


def batch_tokens(x: torch.Tensor, n: int) -> torch.Tensor:
    """[s, b, n, d] -> tokens in the order (b, s)."""
    return x.transpose(0, 1).reshape(-1, *x.shape[-2:])


def implementations() -> list[Implementation]:
    row = "xorl, miles"
    return [
        Implementation(
            "xorl",
            row,
            lambda n, d, i: UtilLayer(n, d, HyperConnectionUtil),
            sites(),
            *COMB_ROWS,
            note="mixing weights under no_grad",
        ),
        Implementation(
            "miles",
            row,
            lambda n, d, i: UtilLayer(n, d, SequenceFirstUtil),
            sites(),
            *COMB_ROWS,
            pack=sequence_first,
            unpack=batch_tokens,
            note="streams [s, b, n, d], comb [b, s, n, n]",
        ),
    ]
