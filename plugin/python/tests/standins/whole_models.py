"""Tiny whole models of transformers' own, with their connections and the truth of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import torch

from .base import Array, Reference
from .deepseek import of
from .packages import load, missing
from .transformers_classes import gated, independent, roughen


@dataclass(frozen=True)
class WholeModel:
    """A tiny model of transformers' own, with its connections in the order in which they run."""

    name: str
    make: Callable[[int], Any]  # seed -> the model, in training mode
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
        return [
            name
            for name, _ in model.named_modules()
            if name.rsplit(".", 1)[-1] in self.connections and "layers." in name
        ]

    def entering(self, model: Any, seed: int = 0) -> dict[str, torch.Tensor]:
        """Runs it once: what enters each connection, in its layout."""
        given: dict[str, torch.Tensor] = {}
        handles = [
            model.get_submodule(name).register_forward_pre_hook(
                lambda its, args, name=name: given.__setitem__(name, args[0].detach().clone())
            )
            for name in self.places(model)
        ]
        model(input_ids=self.ids(seed), use_cache=False)
        for handle in handles:
            handle.remove()
        return given

    def truth(self, model: Any, given: dict[str, torch.Tensor]) -> dict[str, Array]:
        """H as applied, [tokens, n, n] in float64, of each connection, from what enters it."""
        return {
            name: self.reference(
                model.get_submodule(name), self.nd(x, self.streams).double().numpy(), {}
            ).h
            for name, x in given.items()
        }


def whole(
    model: str, cls: str, settings: dict[str, Any], configuration: str
) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        module = load("transformers", f"transformers.models.{model}.modeling_{model}")
        cfg = getattr(
            load("transformers", f"transformers.models.{model}.configuration_{model}"),
            configuration,
        )(**settings)
        cfg._attn_implementation = "eager"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = getattr(module, cls)(cfg)
            for part in made.modules():
                if hasattr(part, "hc_mult") and hasattr(part, "fn"):
                    roughen(part, settings["hc_mult"], settings["hidden_size"])
        return made.train()

    return make


COMMON = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hc_mult": 4,
}


def models() -> list[WholeModel]:
    """Tiny whole models; empty without transformers."""
    if missing("transformers"):
        return []
    v4 = {
        **COMMON, "moe_intermediate_size": 16, "head_dim": 16, "q_lora_rank": 16,
        "num_experts_per_tok": 2, "n_routed_experts": 4, "o_groups": 2,
        "o_lora_rank": 8, "index_n_heads": 2, "index_head_dim": 16, "index_topk": 4,
        "sliding_window": 8, "num_nextn_predict_layers": 0,
        "qk_rope_head_dim": 8, "partial_rotary_factor": 0.5, "max_position_embeddings": 128,
    }  # fmt: skip
    glm = {
        **COMMON, "intermediate_size": 32, "moe_intermediate_size": 16, "num_key_value_heads": 2,
        "n_routed_experts": 4, "num_experts_per_tok": 2,
        "kv_lora_rank": 16, "q_lora_rank": 16, "v_head_dim": 16, "qk_nope_head_dim": 16,
        "index_topk": 4, "index_head_dim": 16, "index_n_heads": 2,
        "linear_head_dim": 16, "linear_num_heads": 2, "index_kpool": 4,
        "max_position_embeddings": 128,
    }  # fmt: skip
    hy = {
        **COMMON, "intermediate_size": 32, "moe_intermediate_size": 16, "num_key_value_heads": 2,
        "head_dim": 16, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 8, "v_head_dim": 16,
        "index_topk": 4, "index_head_dim": 16, "index_n_heads": 2, "max_position_embeddings": 128,
    }  # fmt: skip
    qwen = {
        **COMMON, "num_key_value_heads": 2, "head_dim": 16, "linear_key_head_dim": 16,
        "linear_value_head_dim": 16, "linear_num_key_heads": 2,
        "linear_num_value_heads": 2, "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16, "num_experts_per_tok": 2, "num_experts": 4,
        "hc_count": 4, "hc_lowrank": 4, "ple_embed_dim": 16, "ngram_vocab_size_base": 64,
        "max_position_embeddings": 128,
    }  # fmt: skip
    nd = lambda x, n: x.reshape(-1, *x.shape[-2:])  # noqa: E731
    wide = lambda x, n: x.reshape(-1, n, x.shape[-1] // n)  # noqa: E731
    plain, gates = ("attn_hc", "ffn_hc"), ("attn_hyper_connection", "mlp_hyper_connection")
    shapes: list[tuple[Any, ...]] = [
        ("deepseek_v4", "DeepseekV4ForCausalLM", v4, "DeepseekV4Config", plain, of(""), nd),
        ("glm5_next", "Glm5NextTextModel", glm, "Glm5NextTextConfig", plain, of(""), nd),
        ("hy_v4", "HYV4ForCausalLM", hy, "HYV4Config", plain, independent, nd),
        ("qwen4_exp", "Qwen4ExpForCausalLM", qwen, "Qwen4ExpTextConfig", gates, gated, wide),
    ]
    return [
        WholeModel(
            cls,
            whole(model, cls, settings, config),
            places,
            reference,
            layout,
            "mhc" if model in ("deepseek_v4", "glm5_next") else "identity",
        )
        for model, cls, settings, config, places, reference, layout in shapes
    ]
