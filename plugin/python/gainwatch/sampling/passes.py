"""Where a forward pass of the model begins and ends, so that a connection that runs again within it (tied depth, looped models) is told
from one that runs in the next micro-batch. Not what is taken of it (`see`)."""

from __future__ import annotations

from typing import Any

import torch

from .state import Mark, Sampler


class Passes(Mark):
    """Of the model, and of each module on the way down from it that holds all connections."""

    def __init__(self, sampler: Sampler, module: Any) -> None:
        self.sampler, self.module = sampler, module


def holders(model: Any, owners: list[Any]) -> list[Any]:
    """The model, and from it down while one child alone holds all owners of connections: one of them is what the training calls."""
    found, module, of_owners = [], model, {id(owner) for owner in owners}
    while module is not None and id(module) not in of_owners:
        found.append(module)
        children = [c for c in module.children() if any(id(m) in of_owners for m in c.modules())]
        module = children[0] if len(children) == 1 else None
    return found


def above(model: Any, owners: list[Any]) -> list[Any]:
    """All modules that hold an owner, and the owners."""
    of_owners = {id(owner) for owner in owners}
    return [m for m in model.modules() if any(id(one) in of_owners for one in m.modules())]


def enter(holder: Passes) -> None:
    """A holder's forward pass begins. Raises nothing."""
    sampler = holder.sampler
    sampler.depth += 1
    sampler.entered = True
    if sampler.depth > 1 or is_compiling():
        return
    try:
        sampler.real = is_real()
        if sampler.real:
            begin(sampler, holder.module.training)
    except Exception as error:
        sampler.faults.count("the beginning of a pass could not be noted", error)


def begin(sampler: Sampler, training: bool) -> None:
    """The outermost pass begins; training: the mode of its module."""
    grad = torch.is_grad_enabled()
    if grad and sampler.taken is not None and not sampler.taken_grad:
        drop_samples(sampler)  # of a pass that was not for training: a dry run, a rollout
    sampler.grad = grad
    # After the pass of which this step's samples are, gradients are accumulated.
    is_next = sampler.taken is not None and sampler.taken != sampler.passes
    sampler.training = training and not is_next


def leave(sampler: Sampler) -> None:
    """It ends; the outermost one ends the pass. Raises nothing: it sets numbers."""
    sampler.depth -= 1
    if sampler.depth <= 0:
        sampler.depth = 0
        for part in sampler.parts:
            part.run = 0
        if not is_compiling():
            sampler.passes += 1


def drop_samples(sampler: Sampler) -> None:
    """As if nothing had been sampled in this step."""
    for part in sampler.parts:
        part.samples = {}
    sampler.order, sampler.taken = [], None


def is_real() -> bool:
    """What runs is no trace, no functional transform, and nothing that the backward pass recomputes."""
    return bool(_task() == -1 and _tracing() is None and transforming() is None)


# Whether torch.compile can trace what we do with a module: torch 2.1 raises into the training, 2.4 is the oldest tried that does not.
TRACEABLE = torch.torch_version.TorchVersion(torch.__version__) >= "2.4"
_tracing = torch._C._get_tracing_state
transforming = getattr(torch._C._functorch, "peek_interpreter_stack", lambda: None)
_task = getattr(torch._C, "_current_graph_task_id", lambda: -1)
_compiler = getattr(torch, "compiler", None)
is_compiling = getattr(_compiler, "is_compiling", None) or torch._dynamo.external_utils.is_compiling
