"""What people do with a model besides training it plainly, each as a function (model, x of step i, monitor or None) ->
losses and gradients. Watched and unwatched they must be equal to the bit. No test."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from typing import Any, Callable, Optional

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Input = Callable[[int], Tensor]
Outcome = list[Tensor]
Kind = Callable[[Any, Input, Any], Outcome]
STEPS = 3


def train(
    model: nn.Module,
    x: Input,
    monitor: Any = None,
    call: Optional[Callable[[Tensor], Tensor]] = None,
    micro: int = 1,
) -> Outcome:
    """Losses of some steps, and all gradients of them."""
    found: Outcome = []
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, 0.05) if parameters else None
    for step in range(STEPS):
        for part in range(micro):
            loss = (model if call is None else call)(x(step * micro + part)).float().square().mean()
            loss.backward()
            found.append(loss.detach().clone())
        found += [p.grad.clone() for p in parameters if p.grad is not None]
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        if monitor is not None:
            monitor.step(loss)
    return found


def plain(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model, x, monitor)


def accumulated(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model, x, monitor, micro=3)


def deep_copied(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(copy.deepcopy(model), x, monitor)


def shallow_copied(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(copy.copy(model), x, monitor)


def pickled(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(pickle.loads(pickle.dumps(model)), x, monitor)


def saved(model: Any, x: Input, monitor: Any) -> Outcome:
    torch.save(model, file := io.BytesIO())
    file.seek(0)
    return train(torch.load(file, weights_only=False), x, monitor) + list(
        model.state_dict().values()
    )


def scripted(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(torch.jit.script(model), x, monitor)


def traced(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(torch.jit.trace(model, x(0), check_trace=False), x, monitor) + train(
        model, x, monitor
    )


def exported(model: Any, x: Input, monitor: Any) -> Outcome:
    return _exported(model, x, False)


def exported_strictly(model: Any, x: Input, monitor: Any) -> Outcome:
    return _exported(model, x, True)


def _exported(model: Any, x: Input, strict: bool) -> Outcome:
    program = torch.export.export(model, (x(0),), strict=strict)
    return [program.module()(x(0)).detach(), torch.tensor(len(program.graph.nodes))]


def symbolic(model: Any, x: Input, monitor: Any) -> Outcome:
    graph = torch.fx.symbolic_trace(model)
    return [*train(graph, x, monitor), torch.tensor(len(graph.graph.nodes))]


def functional(model: Any, x: Input, monitor: Any) -> Outcome:
    def loss(parameters: Any) -> Tensor:
        return torch.func.functional_call(model, parameters, (x(0),)).float().square().mean()

    parameters = dict(model.named_parameters())
    return [*torch.func.grad(loss)(parameters).values(), *train(model, x, monitor)]


def batched(model: Any, x: Input, monitor: Any) -> Outcome:
    return [torch.func.vmap(model)(torch.stack([x(0), x(1)])).detach()]


def moved(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model.double().float(), x, monitor) + [
        p.detach() for p in model.to("meta").to_empty(device="cpu").buffers()
    ]


def bfloat16(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model.bfloat16(), lambda step: x(step).bfloat16(), monitor)


def autocast(model: Any, x: Input, monitor: Any) -> Outcome:
    with torch.autocast("cpu", torch.bfloat16):
        return train(model, x, monitor)


def checkpointed(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model, x, monitor, lambda inputs: checkpoint(model, inputs, use_reentrant=False))


def checkpointed_reentrant(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(
        model,
        x,
        monitor,
        lambda inputs: checkpoint(model, inputs.requires_grad_(), use_reentrant=True),
    )


def layers_checkpointed(model: Any, x: Input, monitor: Any) -> Outcome:
    def call(inputs: Tensor) -> Tensor:
        for layer in model.layers:
            inputs = checkpoint(layer, inputs, use_reentrant=False)
        return inputs

    return train(model, x, monitor, call)


def replicated(model: Any, x: Input, monitor: Any) -> Outcome:
    replica = model._replicate_for_data_parallel()
    return [replica(x(0)).detach(), *train(model, x, monitor)]


def holds_its_monitor(model: Any, x: Input, monitor: Any) -> Outcome:
    model.__dict__["monitor"] = monitor
    twin, again = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    for other in (twin, again):
        if monitor is not None:
            other.monitor.step(1.0)
            other.monitor.close()
    found = train(twin, x) + train(model, x, monitor)
    del model.__dict__["monitor"]
    return found


def _forked(model: Any, x: Tensor, monitor: Any, answers: Any) -> None:
    try:
        model(x).float().sum().backward()
        if monitor is not None:
            monitor.step(1.0)
            monitor.close()
        answers.put("")
    except BaseException as error:
        answers.put(repr(error))


def forked(model: Any, x: Input, monitor: Any) -> Outcome:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_forked, args=(model, x(0), monitor, answers))
    child.start()
    answer = answers.get()
    child.join(20)
    assert answer == "" and child.exitcode == 0, answer
    return train(model, x, monitor)


def evaluated(model: Any, x: Input, monitor: Any) -> Outcome:
    model.eval()
    with torch.no_grad():
        found = [model(x(9)).clone()]
    return found + train(model.train(), x, monitor)


def compiled(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model, x, monitor, torch.compile(model, backend="aot_eager"))


def compiled_whole(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model, x, monitor, torch.compile(model, backend="eager", fullgraph=True))


def compiled_inductor(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(model, x, monitor, torch.compile(model))


def compiled_by_layer(model: Any, x: Input, monitor: Any) -> Outcome:
    for layer in model.layers:
        layer.compile(backend="eager")
    return train(model, x, monitor)


def compiled_first_layer(model: Any, x: Input, monitor: Any) -> Outcome:
    model.layers[0].compile(backend="eager")
    return train(model, x, monitor)


def compiled_and_checkpointed(model: Any, x: Input, monitor: Any) -> Outcome:
    for layer in model.layers:
        layer.compile(backend="eager")
    return layers_checkpointed(model, x, monitor)


def compiled_autocast(model: Any, x: Input, monitor: Any) -> Outcome:
    with torch.autocast("cpu", torch.bfloat16):
        return compiled(model, x, monitor)


def moved_then_compiled(model: Any, x: Input, monitor: Any) -> Outcome:
    return train(
        model.double(),
        lambda step: x(step).double(),
        monitor,
        torch.compile(model, backend="eager"),
    )
