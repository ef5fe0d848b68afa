"""Every kind of model that transformers knows, on the meta device with few layers: what an adapter must not take for a connection. No test, no adapter.

    python -m tests.standins.every_transformers [first [last]]      prints what can be built and why the rest cannot
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import pkgutil
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from .packages import missing

# Counts of layers, cut to 2; widths stay, as on the meta device they cost nothing and must fit each other.
LAYERS = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers", "depth", "num_encoder_layers", "num_decoder_layers",
    "num_hidden_groups", "vision_layers", "text_layers", "num_nextn_predict_layers", "encoder_num_layers", "decoder_num_layers", "layers",
)  # fmt: skip
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
# What some configurations leave for a checkpoint to say.
UNSAID: dict[str, Any] = {
    "prediction_length": 4, "vocab_size": 64, "num_experts": 4, "n_routed_experts": 4, "num_local_experts": 4, "moe_intermediate_size": 64,
    "top_k_experts": 2, "num_experts_per_tok": 2, "shared_expert_intermediate_size": 64, "dropout_rate": 0.0, "rope_theta": 10000.0,
    "vocabulary_map": {"<image>": 1, "<|extra_200|>": 2}, "deepstack_layer_map": [[0, 0]], "spatial_layer_map": [[0, 0]], "hidden_size_per_layer_input": 0,
    "pad_token_id": 0, "image_token_id": 3,
}  # fmt: skip
KERNELS = {"reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0]}


class Built(NamedTuple):
    """One kind of CONFIG_MAPPING: its model on the meta device, or why there is none."""

    kind: str
    name: str  # of the class; "" where none was built
    model: nn.Module | None
    reason: str


def every_transformers_class(first: int = 0, last: int | None = None) -> Iterator[Built]:
    """Builds them one after the other, in the order of CONFIG_MAPPING; `first` and `last` make it resumable. One is to be dropped before the next."""
    if missing("transformers"):
        return
    names = importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    for kind in list(names)[first:last]:
        yield build(kind, names[kind])


def build(kind: str, config_name: str) -> Built:
    """The model of one kind: the one that holds most, cut to two layers; with what it leaves unsaid, and as it is, if that fails."""
    with quiet():
        try:
            config_class = importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING[kind]
            models = classes(kind, config_class)
        except Exception as error:
            return Built(kind, "", None, said(error))
        reason = "no model class has this configuration" if not models else ""
        for cut, fill in ((True, False), (False, False), (True, True)):
            for cls in models:
                try:
                    with torch.device("meta"):
                        return Built(kind, cls.__name__, cls(shrunk(config_class(), cut, fill)), "")
                except Exception as error:
                    reason = f"{cls.__name__}: {said(error)}"
        return Built(kind, "", None, reason)


def classes(kind: str, config_class: Any) -> list[Any]:
    """Model classes of a configuration, those that wrap others first (they hold their parts too); a part that is a plain module, if there is no model."""
    transformers = importlib.import_module("transformers")
    package = importlib.import_module(config_class.__module__.rpartition(".")[0])
    own: list[Any] = []
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("modeling"):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            vars(module).update({name: (lambda *_: None) for name in ("requires_backends",) if hasattr(module, name)})
            own += [cls for cls in vars(module).values() if inspect.isclass(cls) and cls.__module__ == module.__name__ and "__init__" in vars(cls)]
    found = [cls for cls in own if issubclass(cls, transformers.PreTrainedModel) and cls.config_class is config_class]
    if not found:  # another kind's class, by the Auto classes
        auto = importlib.import_module("transformers.models.auto.modeling_auto")
        names = {table[kind] for key, table in vars(auto).items() if key.endswith("_MAPPING_NAMES") and key != "CONFIG_MAPPING_NAMES" and kind in table}
        found = [getattr(transformers, name) for name in names if isinstance(name, str) and name != "TimmWrapperModel"]
    if not found:
        found = [cls for cls in own if issubclass(cls, nn.Module) and takes(cls, config_class)]
    order = ("ForConditionalGeneration", "ForCausalLM", "ForPreTraining", "Model")
    return sorted(found, key=lambda cls: next((i for i, end in enumerate(order) if cls.__name__.endswith(end)), len(order)))


def takes(cls: Any, config_class: Any) -> bool:
    """Whether it is made of this configuration alone."""
    parameters = [p for p in list(inspect.signature(cls.__init__).parameters.values())[1:] if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if not parameters or any(p.default is p.empty for p in parameters[1:]):
        return False
    annotation = parameters[0].annotation
    return annotation is config_class or getattr(annotation, "__name__", annotation) == config_class.__name__


def shrunk(config: Any, cut: bool, fill: bool = False) -> Any:
    """The configuration and those in it, with two layers and eight experts (cut), and with what they leave unsaid (fill)."""
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
        heads, width = getattr(config, "num_attention_heads", None), getattr(config, "hidden_size", None)
        if isinstance(heads, int) and isinstance(width, int):
            if width % heads:
                put(config, "num_attention_heads", 16)
            defaults = {"head_dim": width // heads, "num_key_value_heads": heads}
            for name, value in {**defaults, "layer_types": ["full_attention"] * 64, "mlp_layer_types": ["dense", "sparse"] * 32}.items():
                if getattr(config, name, None) is None:
                    put(config, name, value)
    return config


def put(config: Any, name: str, value: Any) -> None:
    with contextlib.suppress(Exception):
        setattr(config, name, value)


def said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160] if str(error).strip() else ''}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what it warns of."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def main(arguments: list[str]) -> None:
    bounds = [int(argument) for argument in arguments]
    started, count, modules, slow = time.monotonic(), 0, 0, []
    before = started
    for built in every_transformers_class(*bounds):
        now = time.monotonic()
        slow.append((now - before, built.kind))
        before = now
        if built.model is None:
            print(f"{built.kind}: {built.reason}")
        else:
            count, modules = count + 1, modules + sum(1 for _ in built.model.modules())
    print(f"{count} of {len(slow)} kinds were built, {modules} modules, in {time.monotonic() - started:.0f} s; slowest {sorted(slow)[-5:]}")


if __name__ == "__main__":
    main(sys.argv[1:])
