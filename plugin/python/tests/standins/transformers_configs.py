"""Small configurations of every kind that transformers knows: cut to two layers, with what they
leave
unsaid; and what stands in for libraries that are not there.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from torch import nn

# Counts of layers, cut to 2; widths stay, as on the meta device they cost nothing and must fit each
# other.
LAYERS = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers",
    "depth", "num_encoder_layers", "num_decoder_layers",
    "num_hidden_groups", "vision_layers", "text_layers", "num_nextn_predict_layers",
    "encoder_num_layers", "decoder_num_layers", "layers",
)  # fmt: skip


EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


# What some configurations leave for a checkpoint to say.
UNSAID: dict[str, Any] = {
    "vocab_size": 64, "num_experts": 4, "n_routed_experts": 4, "num_local_experts": 4,
    "moe_intermediate_size": 64, "top_k_experts": 2, "num_experts_per_tok": 2, "pad_token_id": 0,
    "n_shared_experts": 1, "shared_expert_intermediate_size": 64, "dropout_rate": 0.0,
    "rope_theta": 10000.0, "image_token_id": 3, "hidden_size_per_layer_input": 0,
    "spatial_merge_size": 2, "vocabulary_map": {"<image>": 1, "<|extra_200|>": 2},
    "deepstack_layer_map": [[0, 0]], "downsample_rate": "1/2",
}  # fmt: skip


ROPE = {"rope_type": "default", "rope_theta": 10000.0}


FORECAST = {"prediction_length": 4, "context_length": 8}


# What is given to some, by kind.
GIVEN: dict[str, dict[str, Any]] = {
    "autoformer": FORECAST,
    "informer": FORECAST,
    "time_series_transformer": FORECAST,
    "perception_lm": {"vision_config": {"model_args": {"embed_dim": 64}}},
    "vitmatte": {"fusion_hidden_sizes": [256, 128, 64, 32]},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": ROPE, "sliding_attention": ROPE},
        "layer_types": ["sliding_attention", "full_attention"],
        "num_hidden_layers": 2,
    },
    "diffusion_gemma_text": {"num_experts": 4, "moe_intermediate_size": 64, "top_k_experts": 2},
    "dots1": {"n_routed_experts": 4, "moe_intermediate_size": 64, "n_shared_experts": 1},
}
GIVEN["pp_ocrv5_server_det"] = {"intraclass_block_config": defaultdict(lambda: [1, 1, 0])}
GIVEN["pp_ocrv6_medium_det"] = GIVEN["pp_ocrv5_server_det"]
for kind in ("cohere_compass", "diffusion_gemma"):
    GIVEN[kind] = {"text_config": {"model_type": f"{kind}_text", **GIVEN[f"{kind}_text"]}}
GIVEN["gemma4_assistant"] = {
    "text_config": {
        "model_type": "gemma4_text",
        "hidden_size_per_layer_input": 0,
        "vocab_size_per_layer_input": 0,
        "num_hidden_layers": 2,
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"],
    }
}


class Tower(nn.Module):
    """Where timm is not installed, in the place of its vision towers: nothing."""

    num_features, num_prefix_tokens, feature_info = 64, 0, SimpleNamespace(channels=lambda: [64])
    embed_dim = 64

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
        self.blocks, self.patch_embed = nn.ModuleList(), nn.Identity()


def stand_in_for_timm() -> None:
    """Has transformers' wrappers of timm hold a Tower, where timm is not installed."""
    package = importlib.import_module("transformers.models.timm_wrapper")
    module = importlib.import_module(f"{package.__name__}.modeling_timm_wrapper")
    if importlib.util.find_spec("timm") is None and not hasattr(module, "timm"):
        vars(module).update(
            timm=SimpleNamespace(create_model=Tower), requires_backends=lambda *_: None
        )
        for name in ("TimmWrapperModel", "TimmWrapperForImageClassification"):
            setattr(package, name, getattr(module, name))
            setattr(importlib.import_module("transformers"), name, getattr(module, name))


def shrunk(config: Any, cut: bool, fill: bool = False) -> Any:
    """The configuration and those in it, with two layers and eight experts (cut), and with what
    they leave unsaid (fill)."""
    for name, value in list(vars(config).items()):
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            shrunk(value, cut, fill)
        elif cut and isinstance(value, int) and not isinstance(value, bool):
            most = 2 if name in LAYERS else 8 if name in EXPERTS else value
            if value > most:
                put(config, name, most)
    if fill:
        for name, value in UNSAID.items():
            if getattr(config, name, None) is None or name == "hidden_size_per_layer_input":
                put(config, name, value)
        heads, width = (
            getattr(config, "num_attention_heads", None),
            getattr(config, "hidden_size", None),
        )
        if isinstance(heads, int) and isinstance(width, int):
            if width % heads:
                put(config, "num_attention_heads", 16)
            defaults = {"head_dim": width // heads, "num_key_value_heads": heads}
            for name, value in {
                **defaults,
                "layer_types": ["full_attention"] * 64,
                "mlp_layer_types": ["dense", "sparse"] * 32,
            }.items():
                if getattr(config, name, None) is None:
                    put(config, name, value)
    return config


def put(config: Any, name: str, value: Any) -> None:
    with contextlib.suppress(Exception):
        setattr(config, name, value)
