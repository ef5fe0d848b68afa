"""What a graph of torch.compile (or a CUDA graph) writes itself: no Python runs in a step of it, so the sampled tokens go into buffers by
tensor operations, and a count says that they were written. Not where they are read (`monitor`).

A graph is shared by all blocks of the same code, as without gainwatch: nothing here depends on which module it is, the buffers are
reached through the module's tag like its parameters.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from ..adapters.protocol import Adapter, Call, Reading
from ..sampling import passes
from ..sampling.state import Part, Sample, Sampler, Tag

RUNS = 8  # of a connection within a graph, for which there are buffers
WIDE = 16  # streams from which on there are buffers for one run, until more is seen

NOTHING = Adapter("nothing", lambda module: (), lambda module: (), lambda call: ())

_compiler = getattr(torch, "compiler", None)
is_exporting = getattr(_compiler, "is_exporting", lambda: False)


def trace(tag: Tag, call: Call) -> None:
    """Traced: what a call tells is written. What cannot be read is left out, and `read` says so: with fullgraph=True an exception would end
    the training."""
    try:
        for reading in tag.adapter.read(call):
            write(tag.parts[reading.part], reading)
    except Exception:
        for part in tag.parts.values():
            part.refused = True


def write(part: Part, reading: Reading) -> None:
    """Traced: the sampled tokens of a reading go into the buffer of this run. Of the micro-batches of a step the first one stays."""
    run = part.run
    part.run = run + part.stride
    mapping = reading.mapping
    part.written = run + 1
    if mapping is None:
        return
    if run >= len(part.buffers):
        part.wanted = run + 1
        return
    buffer, count, uniform = part.buffers[run], part.counts[run], part.uniform
    n = buffer.shape[-1]
    if (
        mapping.dim() < 2
        or mapping.shape[-1] != n
        or mapping.shape[-2] != n
        or mapping.device != buffer.device
        or uniform is None
    ):
        part.wanted = -1
        return
    if (
        reading.lead is not None
        and mapping.dim() > 2
        and mapping.shape[:-2] != torch.Size(reading.lead)
    ):
        part.wanted = -1
        return
    with torch.no_grad():
        flat = mapping.detach().reshape(-1, n, n)
        if _holds(flat.shape[0] == 0):
            return  # an empty batch
        strata = torch.arange(buffer.shape[0], device=flat.device, dtype=torch.float64)
        index = (
            ((strata + uniform) * (flat.shape[0] / buffer.shape[0]))
            .long()
            .clamp(max=flat.shape[0] - 1)
        )
        fresh = flat.index_select(0, index).float()
        buffer.copy_(torch.where(count == 0, fresh, buffer))
        count.add_(1)


def _holds(condition: Any) -> bool:
    """Of a size that only the data tell, torch from 2.7 on takes it not to hold, and raises nothing. Loaded late."""
    shapes = getattr(torch.fx.experimental, "symbolic_shapes", None)
    return bool(getattr(shapes, "guard_or_false", bool)(condition))


def prepare(sampler: Sampler, part: Part, runs: int = 0) -> None:
    """Room for what compiled graphs write, on the device of the connection's parameters: before the first compiled step, and again where
    they were moved."""
    device = device_of(part)
    if part.n < 1 or part.found.stored == "identity" or device is None:
        return
    runs = max(runs, len(part.buffers), RUNS if part.n < WIDE else 1)
    if (
        part.buffers
        and part.device == device
        and part.buffers[0].shape[-1] == part.n
        and runs <= len(part.buffers)
    ):
        return
    if device not in sampler.uniform:
        sampler.uniform[device] = sampler.draw(device)
    shape = (sampler.tokens, part.n, part.n)
    part.uniform, part.device = sampler.uniform[device], device
    part.buffers = [torch.zeros(shape, dtype=torch.float32, device=device) for _ in range(runs)]
    part.counts = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(runs)]


def device_of(part: Part) -> Any:
    """Where its parameters are; None where it has none, or they have no values."""
    for parameter in part.found.parameters():
        return parameter.device
    return None


def read(part: Part) -> list[tuple[int, Sample, Optional[Tensor]]]:
    """What graphs have written in this step: run, sample, count. They may write again from here on."""
    if part.found.stored == "identity":
        return [(run, Sample(None, (), None), None) for run in range(part.written)]
    found: list[tuple[int, Sample, Optional[Tensor]]] = []
    for run in range(min(max(part.written, 1 if part.captured else 0), len(part.buffers))):
        if run not in part.samples:
            found.append(
                (run, Sample(part.buffers[run].clone(), (), None), part.counts[run].clone())
            )
            part.counts[run].zero_()
    return found


def drop(sampler: Sampler) -> None:
    """What graphs have written in a step that was not read is of no step that is sent."""
    counts: list[Tensor] = []
    for part in sampler.parts:
        if part.written or part.captured:
            sampler.compiled, part.written = True, 0
            counts += part.counts
    if counts:
        torch._foreach_zero_(counts)


def follow(sampler: Sampler) -> Any:
    """Has the buffers follow the parameters whenever a graph is about to be made. Gives what takes that back."""
    try:
        from torch._dynamo.callback import callback_handler

        def before(*_: Any) -> None:
            try:
                if not sampler.closed:
                    for part in sampler.parts:
                        prepare(sampler, part)
            except Exception as error:
                sampler.faults.count("room for a compiled graph could not be made", error)

        callback_handler.register_start_callback(before)

        def take_back() -> None:
            if before in callback_handler.start_callbacks:  # torch._dynamo.reset() empties it
                callback_handler.remove_start_callback(before)

        return take_back
    except Exception:  # torch before 2.4: they are made at watch, and again after a step
        return lambda: None


def left_out(parts: int, ran: int) -> str:
    """What is to be said where `ran` of the connections ran in a step, and torch.compile cannot trace the others; "" where nothing is."""
    if passes.TRACEABLE or ran == parts:
        return ""
    if not torch._dynamo.utils.counters["stats"]["unique_graphs"]:
        return ""
    return (
        f"what torch.compile has compiled is left out, {parts - ran} of {parts} connections here: "
        f"it can be watched from torch 2.4 on (this is {torch.__version__})"
    )


def forget(modules: list[Any]) -> bool:
    """Has graphs that were compiled before be compiled once more, with what is watched in it. True where there were some."""
    try:
        from torch._C._dynamo.eval_frame import _debug_get_cache_entry_list
        from torch._dynamo.eval_frame import remove_from_cache
    except Exception:
        return False
    found = False
    for kind in {type(m) for m in modules}:
        for name in ("forward", "__call__"):
            code = getattr(getattr(kind, name, None), "__code__", None)
            if code is not None and _debug_get_cache_entry_list(code):
                remove_from_cache(code)
                found = True
    return found
