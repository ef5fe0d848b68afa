"""Every kind of model that transformers knows, on the meta device with few layers: what an adapter
must not take for a connection. No test, no adapter.

python -m tests.standins.every_transformers [first [last]]      prints what can be built and why the
rest cannot
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
from .transformers_configs import GIVEN, shrunk, stand_in_for_timm


class Built(NamedTuple):
    """One kind of CONFIG_MAPPING: its model on the meta device, or why there is none."""

    kind: str
    name: str  # of the class; "" where none was built
    model: nn.Module | None
    reason: str


def every_transformers_class(first: int = 0, last: int | None = None) -> Iterator[Built]:
    """Builds them one after the other, in the order of CONFIG_MAPPING; `first` and `last` make it
    resumable. One is to be dropped before the next."""
    if missing("transformers"):
        return
    stand_in_for_timm()
    names = importlib.import_module(
        "transformers.models.auto.configuration_auto"
    ).CONFIG_MAPPING_NAMES
    for kind in list(names)[first:last]:
        yield build(kind, names[kind])


def build(kind: str, config_name: str) -> Built:
    """The model of one kind: the one that holds most, cut to two layers; with what it leaves
    unsaid, and as it is, if that fails."""
    with quiet():
        try:
            config_class = importlib.import_module(
                "transformers.models.auto.configuration_auto"
            ).CONFIG_MAPPING[kind]
            models = classes(kind, config_class)
        except Exception as error:
            return Built(kind, "", None, said(error))
        reason = "no model class has this configuration" if not models else ""
        for cut, fill in ((True, False), (False, False), (True, True)):
            for cls in models:
                try:
                    with torch.device("meta"):
                        return Built(
                            kind,
                            cls.__name__,
                            cls(shrunk(config_class(**GIVEN.get(kind, {})), cut, fill)),
                            "",
                        )
                except Exception as error:
                    reason = f"{cls.__name__}: {said(error)}"
        return Built(kind, "", None, reason)


def classes(kind: str, config_class: Any) -> list[Any]:
    """Model classes of a configuration, those that wrap others first (they hold their parts too); a
    part that is a plain module, if there is no model."""
    transformers = importlib.import_module("transformers")
    package = importlib.import_module(config_class.__module__.rpartition(".")[0])
    own: list[Any] = []
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith(("modeling", "vision", "perceiver")):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            vars(module).update(
                {
                    name: (lambda *_: None)
                    for name in ("requires_backends",)
                    if hasattr(module, name)
                }
            )
            own += [
                cls
                for cls in vars(module).values()
                if inspect.isclass(cls)
                and cls.__module__ == module.__name__
                and "__init__" in vars(cls)
            ]
    found = [
        cls
        for cls in own
        if issubclass(cls, transformers.PreTrainedModel) and cls.config_class is config_class
    ]
    if not found:  # another kind's class, by the Auto classes
        auto = importlib.import_module("transformers.models.auto.modeling_auto")
        names = {
            table[kind]
            for key, table in vars(auto).items()
            if key.endswith("_MAPPING_NAMES") and key != "CONFIG_MAPPING_NAMES" and kind in table
        }
        found = [getattr(transformers, name) for name in names if isinstance(name, str)]
    if not found:
        found = [cls for cls in own if issubclass(cls, nn.Module) and takes(cls, config_class)]
    order = ("ForConditionalGeneration", "ForCausalLM", "ForPreTraining", "Model")
    return sorted(
        found,
        key=lambda cls: next(
            (i for i, end in enumerate(order) if cls.__name__.endswith(end)), len(order)
        ),
    )


def takes(cls: Any, config_class: Any) -> bool:
    """Whether it is made of this configuration alone."""
    parameters = [
        p
        for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if not parameters or any(p.default is p.empty for p in parameters[1:]):
        return False
    annotation = parameters[0].annotation
    return (
        annotation is config_class
        or getattr(annotation, "__name__", annotation) == config_class.__name__
    )


def said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"


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
    print(f"{count} of {len(slow)} kinds were built, {modules} modules")
    print(f"in {time.monotonic() - started:.0f} s; slowest {sorted(slow)[-3:]}")


if __name__ == "__main__":
    main(sys.argv[1:])
