"""Stand-ins where the mathematics is elsewhere than the parameters: xorl and miles (a helper that is no module), MindSpeed-LLM's MHC (stages), Liger.

Own code of the same names, shapes, arguments and order of results.
"""

from __future__ import annotations

import sys
from typing import Any, Optional

import torch
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site
from .deepseek import Parameters, balance, mixes, of, rough, sites, split, spread

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class HyperConnectionUtil:
    """xorl's: [b, s, n, d]; the mixing weights are made under no_grad, so that nothing of them learns."""

    def __init__(self, n: int) -> None:
        self.hc_mult, self.hc_sinkhorn_iters, self.hc_eps, self.norm_eps = n, 20, 1e-6, 1e-6

    def hc_pre_raw(self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor) -> Three:
        with torch.no_grad():
            pre, post, comb = split(mixes(x, hc_fn), hc_scale, hc_base, self.hc_mult)
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb

    def hc_post_raw(self, x: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor) -> torch.Tensor:
        return spread(x, residual, post, comb)

    def layer_pre(self, hidden_states: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor) -> Three:
        return self.hc_pre_raw(x=hidden_states, hc_fn=hc_fn, hc_scale=hc_scale, hc_base=hc_base)

    def layer_post(self, output: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor) -> torch.Tensor:
        return self.hc_post_raw(output, residual, post, comb)


class SequenceFirstUtil(HyperConnectionUtil):
    """miles': the streams are [s, b, n, d], post and comb stay [b, s, ...]; with gradient."""

    def hc_pre_raw(self, x: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor) -> Three:
        pre, post, comb = split(mixes(x, hc_fn), hc_scale, hc_base, self.hc_mult)
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb

    def layer_pre(self, hidden_states: torch.Tensor, hc_fn: torch.Tensor, hc_scale: torch.Tensor, hc_base: torch.Tensor) -> Three:
        x, post, comb = self.hc_pre_raw(x=hidden_states.transpose(0, 1), hc_fn=hc_fn, hc_scale=hc_scale, hc_base=hc_base)
        return x.transpose(0, 1), post, comb

    def layer_post(self, output: torch.Tensor, residual: torch.Tensor, post: torch.Tensor, comb: torch.Tensor) -> torch.Tensor:
        return self.hc_post_raw(output.transpose(0, 1), residual.transpose(0, 1), post, comb).transpose(0, 1)


class UtilLayer(Parameters):
    """The layer of both: hc_attn_fn, ... are its own."""

    def __init__(self, n: int, d: int, util: type[HyperConnectionUtil]) -> None:
        super().__init__(n, d)
        self.hc_util = util(n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, post, comb = self.hc_util.layer_pre(x, self.hc_attn_fn, self.hc_attn_scale, self.hc_attn_base)
        x = self.hc_util.layer_post(self.attn(y), x, post, comb)
        y, post, comb = self.hc_util.layer_pre(x, self.hc_ffn_fn, self.hc_ffn_scale, self.hc_ffn_base)
        return self.hc_util.layer_post(self.ffn(y), x, post, comb)


class MHC(nn.Module):
    """MindSpeed-LLM's: hc_fn is a Linear, the stage is an argument, [s, b, n, d], comb [s, b, n, n]."""

    def __init__(self, n: int, d: int, mhc_position: str = "layer") -> None:
        super().__init__()
        self.mhc_position, self.hc_mult, self.hc_eps, self.norm_eps = mhc_position, n, 1e-6, 1e-6
        self.hc_sinkhorn_iters, self.enable_mhc = 20, True
        fn, self.hc_base, self.hc_scale = rough((2 + n) * n, n, d)
        self.hc_fn = nn.Linear(n * d, (2 + n) * n, bias=False)
        self.hc_fn.weight = fn

    def hc_pre(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Three:
        flat = x.flatten(2).float()
        logits = self.hc_fn(flat) * torch.rsqrt(flat.square().mean(-1, keepdim=True) + self.norm_eps)
        pre, post, comb = split(logits.transpose(0, 1), self.hc_scale, self.hc_base, self.hc_mult, first=0.0)
        pre, post, comb = (part.transpose(0, 1) for part in (pre, post, comb))
        return (pre.unsqueeze(-1) * x).sum(2).to(x.dtype), post, comb

    def hc_post(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return spread(x, kwargs["residual"], kwargs["post"], kwargs["comb"])

    def forward(self, hidden_states: torch.Tensor, mhc_stage: str = "identity", recompute_info: Any = None, module: str = "attention", *args: Any, **kwargs: Any) -> Any:
        kwargs.update(recompute_info=recompute_info, module=module)
        stages = {"pre": self.hc_pre, "post": self.hc_post, "identity": lambda x, **_: x}
        return stages[mhc_stage](hidden_states, *args, **kwargs)


class MindSpeedLayer(nn.Module):
    def __init__(self, n: int, d: int) -> None:
        super().__init__()
        self.attn_mhc, self.mlp_mhc = MHC(n, d), MHC(n, d)
        self.self_attention, self.mlp = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for mhc, branch, module in ((self.attn_mhc, self.self_attention, "attention"), (self.mlp_mhc, self.mlp, "mlp")):
            y, post, comb = mhc(x, mhc_stage="pre", module=module)
            x = mhc(branch(y), mhc_stage="post", module=module, residual=x, post=post, comb=comb)
        return x


def mindspeed(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    fn, base, scale = f.values(module.hc_fn.weight), f.values(module.hc_base), f.values(module.hc_scale)
    pre, post, comb = f.deepseek(x, fn, base, scale, balance=f.sinkhorn_torchtitan)
    return Reference(f.swap(comb), f.weighted(pre, x), f.gate(post), pre, post)


def liger_mhc_coeffs(x: torch.Tensor, phi: torch.Tensor, b: torch.Tensor, alpha_pre: torch.Tensor, alpha_post: torch.Tensor, alpha_res: torch.Tensor, **how: Any) -> Three:
    """A Triton kernel in Liger: (h_pre, h_post, h_res); h_res [..., n, n] (row = destination) has its columns exact."""
    n = x.shape[-2]
    flat = x.flatten(-2).float()
    logits = (flat @ phi.float()) * torch.rsqrt(flat.square().mean(-1, keepdim=True) + how["rms_eps"])
    pre, post, res = logits.split([n, n, n * n], -1)
    h_pre = torch.sigmoid(pre * alpha_pre + b[:n]) + how["pre_eps"]
    h_post = how["post_mult"] * torch.sigmoid(post * alpha_post + b[n : 2 * n])
    return h_pre, h_post, balance((res * alpha_res + b[2 * n :]).unflatten(-1, (n, n)), how["tmax"], how["sinkhorn_eps"])


def liger_mhc_pre(x: torch.Tensor, h_pre: torch.Tensor) -> torch.Tensor:
    return (h_pre.unsqueeze(-1) * x).sum(-2)


def liger_mhc_post_res(x: torch.Tensor, f_out: torch.Tensor, h_post: torch.Tensor, h_res: torch.Tensor) -> torch.Tensor:
    return h_res @ x + h_post.unsqueeze(-1) * f_out.unsqueeze(-2)


class LigerMHC(nn.Module):
    """Liger's: h_res is local to forward, made by a function of the module's file."""

    def __init__(self, layer: nn.Module, *, hc: int, c: int, phi_dtype: Optional[torch.dtype] = None) -> None:
        super().__init__()
        self.layer, self.hc, self.c = layer, hc, c
        self.tmax, self.rms_eps, self.pre_eps, self.sinkhorn_eps, self.post_mult, self.allow_fp32 = 20, 1e-6, 0.0, 1e-6, 2.0, True
        m = hc * hc + 2 * hc
        self.phi = nn.Parameter((torch.randn(hc * c, m) * 1.5 / (hc * c) ** 0.5).to(phi_dtype or torch.float32))
        self.b = nn.Parameter(torch.randn(m) * 2)
        for name, value in (("alpha_pre", 0.9), ("alpha_post", 1.1), ("alpha_res", 1.3)):
            setattr(self, name, nn.Parameter(torch.tensor(value)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        how = {key: getattr(self, key) for key in ("allow_fp32", "tmax", "rms_eps", "pre_eps", "sinkhorn_eps", "post_mult")}
        coeffs = sys.modules[__name__].__dict__["liger_mhc_coeffs"]  # looked up at each call, as a global is
        h_pre, h_post, h_res = coeffs(x, self.phi, self.b, self.alpha_pre, self.alpha_post, self.alpha_res, **how)
        return liger_mhc_post_res(x, self.layer(liger_mhc_pre(x, h_pre)), h_post, h_res)


def liger(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    scale = [f.values(getattr(module, name)) for name in ("alpha_pre", "alpha_post", "alpha_res")]
    pre, post, h = f.deepseek(x, f.values(module.phi).T, f.values(module.b), scale)
    pre = pre - 1e-6  # Liger adds pre_eps, 0
    return Reference(h, f.weighted(pre, x), f.gate(post), pre, post)


def sequence_first(x: torch.Tensor) -> torch.Tensor:
    """[b, s, n, d] -> [s, b, n, d]."""
    return x.transpose(0, 1).contiguous()


def batch_tokens(x: torch.Tensor, n: int) -> torch.Tensor:
    """[s, b, n, d] -> tokens in the order (b, s)."""
    return x.transpose(0, 1).reshape(-1, *x.shape[-2:])


def implementations() -> list[Implementation]:
    mindspeed_sites = Site("attn_mhc", mindspeed, "self_attention"), Site("mlp_mhc", mindspeed, "mlp")
    return [
        Implementation("xorl", "xorl, miles", lambda n, d, i: UtilLayer(n, d, HyperConnectionUtil), sites(), "mhc", "comb", "rows", note="mixing weights under no_grad"),
        Implementation(
            "miles", "xorl, miles", lambda n, d, i: UtilLayer(n, d, SequenceFirstUtil), sites(), "mhc", "comb", "rows",
            pack=sequence_first, unpack=batch_tokens, note="streams [s, b, n, d], comb [b, s, n, n]",
        ),
        Implementation("mindspeed", "MindSpeed-LLM MHC", lambda n, d, i: MindSpeedLayer(n, d), mindspeed_sites, "mhc", "comb", "rows", pack=sequence_first),
        Implementation("liger", "Liger LigerMHC", lambda n, d, i: LigerMHC(nn.Linear(d, d), hc=n, c=d), (Site("", liger, "layer"),), "mhc", "H", "columns"),
    ]
