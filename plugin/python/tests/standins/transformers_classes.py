"""The real connections of transformers 5.24 in a layer of our own, and tiny whole models of its own: deepseek_v4, glm5_next, hy_v4, qwen4_exp."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Callable

import torch
from torch import nn

from . import formulas as f
from .base import Array, Implementation, Reference, Site
from .deepseek import of
from .packages import load, missing


def config(n: int, d: int) -> Any:
    """What the connections read of a configuration."""
    return SimpleNamespace(hc_mult=n, hc_count=n, hidden_size=d, hc_sinkhorn_iters=20, hc_eps=1e-6, rms_norm_eps=1e-6, hc_magnitude=2.0, hc_lowrank=4)


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
    return Reference(f.np.eye(n)[None].repeat(len(x), 0), f.weighted(pre, x), f.gate(post), pre, post)


def gated(module: Any, x: Array, carry: dict[str, Any]) -> Reference:
    """qwen4_exp: H = I, a read gate of one number a channel."""
    n = x.shape[1]
    flat = f.rms(x).reshape(len(x), -1) * (1 + f.values(module.hc_norm.weight))
    down = flat @ f.values(module.input_mix_weight_down.weight).T / n
    mix = f.sigmoid((down * f.sigmoid(down)) @ f.values(module.input_mix_weight_up.weight).T)
    post = 2 * f.sigmoid(flat @ f.values(module.block_inject_weight.weight).T / n)
    read = (mix * flat).reshape(x.shape).mean(1)
    return Reference(f.np.eye(n)[None].repeat(len(x), 0), read, f.gate(post), None, post)


def implementations() -> list[Implementation]:
    def made(name: str, row: str, model: str, cls: str, layer: type[Layer], how: Any, kind: str, stored: str, exact: str, **more: Any) -> Implementation:
        places = Site("attn_hc", how, "self_attn"), Site("ffn_hc", how, "mlp")
        return Implementation(
            name, row, lambda n, d, i: layer(lambda: connection(model, cls, n, d), d), places, kind, stored, exact, available=lambda: missing("transformers"), **more
        )

    flat: dict[str, Any] = {"pack": lambda x: x.flatten(2), "unpack": lambda x, n: x.reshape(-1, n, x.shape[-1] // n)}
    both = "transformers deepseek_v4, glm5_next"
    return [
        made("transformers deepseek_v4", both, "deepseek_v4", "DeepseekV4HyperConnection", Mixed, of(""), "mhc", "comb", "rows"),
        made("transformers glm5_next", both, "glm5_next", "Glm5NextTextHyperConnection", Mixed, of(""), "mhc", "comb", "rows"),
        made("transformers hy_v4", "transformers hy_v4", "hy_v4", "HYV4HyperConnection", Independent, independent, "identity", "identity", "doubly"),
        made("transformers qwen4_exp", "transformers qwen4_exp", "qwen4_exp", "Qwen4ExpTextGatedResidual", Gated, gated, "identity", "identity", "doubly", **flat),
    ]


@dataclass(frozen=True)
class WholeModel:
    """A tiny model of transformers' own, with its connections in the order in which they run."""

    name: str
    make: Callable[[int], Any]  # seed -> the model, in training mode
    branches: tuple[str, str]  # what each layer wraps: attention and MLP
    connections: tuple[str, str]
    reference: Callable[[Any, Array, dict[str, Any]], Reference]
    nd: Callable[[torch.Tensor, int], torch.Tensor]
    kind: str
    streams: int = 4
    depth: int = 2

    def ids(self, seed: int = 0) -> torch.Tensor:
        return torch.randint(0, 64, (2, 8), generator=torch.Generator().manual_seed(seed))

    def places(self, model: Any) -> list[str]:
        """Names of the connections, in the order in which they run."""
        return [name for name, _ in model.named_modules() if name.rsplit(".", 1)[-1] in self.connections and "layers." in name]

    def entering(self, model: Any, seed: int = 0) -> dict[str, torch.Tensor]:
        """Runs it once: what enters each connection, in its layout."""
        given: dict[str, torch.Tensor] = {}
        handles = [
            model.get_submodule(name).register_forward_pre_hook(lambda its, args, name=name: given.__setitem__(name, args[0].detach().clone()))
            for name in self.places(model)
        ]
        model(input_ids=self.ids(seed), use_cache=False)
        for handle in handles:
            handle.remove()
        return given

    def truth(self, model: Any, given: dict[str, torch.Tensor]) -> dict[str, Array]:
        """H as applied, [tokens, n, n] in float64, of each connection, from what enters it."""
        return {
            name: self.reference(model.get_submodule(name), self.nd(x, self.streams).double().numpy(), {}).h for name, x in given.items()
        }


def whole(model: str, cls: str, settings: dict[str, Any], configuration: str) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        module = load("transformers", f"transformers.models.{model}.modeling_{model}")
        cfg = getattr(load("transformers", f"transformers.models.{model}.configuration_{model}"), configuration)(**settings)
        cfg._attn_implementation = "eager"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = getattr(module, cls)(cfg)
            for part in made.modules():
                if hasattr(part, "hc_mult") and hasattr(part, "fn"):
                    roughen(part, settings["hc_mult"], settings["hidden_size"])
        return made.train()

    return make


COMMON = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "hc_mult": 4}


def models() -> list[WholeModel]:
    """Tiny whole models; empty without transformers."""
    if missing("transformers"):
        return []
    v4 = {
        **COMMON, "moe_intermediate_size": 16, "head_dim": 16, "q_lora_rank": 16, "num_experts_per_tok": 2, "n_routed_experts": 4, "o_groups": 2,
        "o_lora_rank": 8, "index_n_heads": 2, "index_head_dim": 16, "index_topk": 4, "sliding_window": 8, "num_nextn_predict_layers": 0,
        "qk_rope_head_dim": 8, "partial_rotary_factor": 0.5, "max_position_embeddings": 128,
    }  # fmt: skip
    glm = {
        **COMMON, "intermediate_size": 32, "moe_intermediate_size": 16, "num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
        "kv_lora_rank": 16, "q_lora_rank": 16, "v_head_dim": 16, "qk_nope_head_dim": 16, "index_topk": 4, "index_head_dim": 16, "index_n_heads": 2,
        "linear_head_dim": 16, "linear_num_heads": 2, "index_kpool": 4, "max_position_embeddings": 128,
    }  # fmt: skip
    hy = {
        **COMMON, "intermediate_size": 32, "moe_intermediate_size": 16, "num_key_value_heads": 2, "head_dim": 16, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16,
        "index_topk": 4, "index_head_dim": 16, "index_n_heads": 2, "max_position_embeddings": 128,
    }  # fmt: skip
    qwen = {
        **COMMON, "num_key_value_heads": 2, "head_dim": 16, "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2,
        "linear_num_value_heads": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "num_experts_per_tok": 2, "num_experts": 4,
        "hc_count": 4, "hc_lowrank": 4, "ple_embed_dim": 16, "ngram_vocab_size_base": 64, "max_position_embeddings": 128,
    }  # fmt: skip
    nd = lambda x, n: x.reshape(-1, *x.shape[-2:])  # noqa: E731
    wide = lambda x, n: x.reshape(-1, n, x.shape[-1] // n)  # noqa: E731
    sub = ("self_attn", "mlp")
    return [
        WholeModel("DeepseekV4ForCausalLM", whole("deepseek_v4", "DeepseekV4ForCausalLM", v4, "DeepseekV4Config"), sub, ("attn_hc", "ffn_hc"), of(""), nd, "mhc"),
        WholeModel("Glm5NextTextModel", whole("glm5_next", "Glm5NextTextModel", glm, "Glm5NextTextConfig"), sub, ("attn_hc", "ffn_hc"), of(""), nd, "mhc"),
        WholeModel("HYV4ForCausalLM", whole("hy_v4", "HYV4ForCausalLM", hy, "HYV4Config"), sub, ("attn_hc", "ffn_hc"), independent, nd, "identity"),
        WholeModel(
            "Qwen4ExpForCausalLM", whole("qwen4_exp", "Qwen4ExpForCausalLM", qwen, "Qwen4ExpTextConfig"), ("self_attn", "mlp"),
            ("attn_hyper_connection", "mlp_hyper_connection"), gated, wide, "identity",
        ),
    ]  # fmt: skip
