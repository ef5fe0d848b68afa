"""What happens when a watched method returns: the adapter reads it, and the sampled tokens of the mapping are kept. On the training
thread, without waiting for the device. Not how methods are watched (`attach`), nor what a compiled graph does (`compiled.taps`)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Optional

import torch
from torch import Tensor

from ..adapters.protocol import Call, Inner, Reading, Refused
from ..compiled import taps
from ..guard import reason
from . import quick
from .passes import is_compiling, is_real
from .state import MAX_RUNS, Checked, Part, Sample, Sampler, Tag, rows, to_device

CHECK_TOKENS = 8  # of each connection, for the self-check
MAX_FAULTS = 20  # in a row: a connection that cannot be read is then left alone


def event(
    tag: Tag,
    method: str,
    module: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    out: Any,
    inner: Sequence[Inner],
) -> None:
    """A watched method of `module` has returned `out`. Raises nothing."""
    if is_compiling():
        if module.training and not taps.is_exporting():
            taps.trace(tag, Call(module, method, args, kwargs, out, inner))
        return
    sampler = tag.sampler
    training = sampler.training if sampler.depth else module.training
    if not training or not sampler.active or sampler.closed:
        return
    started = time.perf_counter()
    try:
        short = tag.places and sampler.depth and sampler.real and not sampler.checking
        if short and quick.take(sampler, tag, module, args, out):
            pass
        elif is_training_step(args, kwargs):
            for reading in tag.adapter.read(Call(module, method, args, kwargs, out, inner)):
                record(sampler, tag.parts[reading.part], reading, module)
                quick.learn(tag, module, args, out, reading)
    except Exception as error:
        fault(sampler, tag, method, error)
    sampler.seconds += time.perf_counter() - started


def fault(sampler: Sampler, tag: Tag, method: str, error: Exception) -> None:
    """Of one that cannot be read again and again nothing more is tried."""
    try:
        for part in tag.parts.values():
            sampler.faults.errors += 1
            sampler.faults.note(
                part.name, f"its mapping could not be read from {method}", reason(error)
            )
            part.faults += 1
        if all(part.faults >= MAX_FAULTS for part in tag.parts.values()):
            tag.parts = {}
            tag.adapter = taps.NOTHING
    except Exception as again:
        sampler.faults.count("a fault could not be noted", again)


def is_training_step(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Not a trace, an export, a shape propagation, a functional transform or a recomputation."""
    if not is_real():
        return False
    if args and type(args[0]) is Tensor:
        return True
    first = args[0] if args else next(iter(kwargs.values()), None)
    if isinstance(first, (tuple, list)) and first:
        first = first[0]
    if isinstance(first, Tensor):
        return is_plain(first)
    return not type(first).__module__.startswith("torch.fx")


def is_plain(tensor: Tensor) -> bool:
    """A tensor with numbers in it, or this rank's part of one (DTensor)."""
    return (
        type(tensor) is Tensor
        or isinstance(tensor, torch.nn.Parameter)
        or hasattr(tensor, "to_local")
    )


def record(sampler: Sampler, part: Part, reading: Reading, module: Any) -> None:
    """Keeps the sampled tokens of a reading. Each line counts here: they run cold, between the training's own.

    @raises Refused where the tensor cannot be the mapping.
    """
    run = part.run if sampler.depth else 0
    part.run = run + 1
    if run in part.samples:
        return
    mapping: Any = reading.mapping
    if type(mapping) is not Tensor:
        mapping = mapping.to_local() if hasattr(mapping, "to_local") else mapping
        check(part, reading, mapping)
    elif (mapping.shape, mapping.dtype, reading.lead) != part.like:
        check(part, reading, mapping)
        part.like = mapping.shape, mapping.dtype, reading.lead
    if mapping is not None and (mapping.is_meta or mapping.numel() == 0):
        return  # no numbers, or no tokens: an empty batch
    if "_is_replica" in module.__dict__ and mapping is not None and mapping.device != part.device:
        return  # of DataParallel, the replica on the model's own device is sampled
    if run >= 1 and sampler.runs >= MAX_RUNS * len(sampler.parts) and run >= part.most:
        sampler.faults.say(
            "runs",
            f"{part.name} runs more often in a step than can be watched: up to {MAX_RUNS} times the connections of the model are",
        )
        return
    if mapping is None:
        sample = Sample(None, (), None)
    elif mapping.is_cuda and torch.cuda.is_current_stream_capturing():
        part.captured = True
        taps.write(part, reading)
        return
    else:
        sample = take(sampler, part, reading, mapping, module)
    part.faults = 0
    part.samples[run] = sample
    if run >= part.most:
        sampler.runs += run + 1 - part.most
        part.most = run + 1
    sampler.taken, sampler.taken_grad = sampler.passes, sampler.grad or not sampler.depth
    sampler.order.append((part, run))


def check(part: Part, reading: Reading, mapping: Any) -> None:
    """@raises Refused where it has not the shape of a mapping of these streams"""
    if mapping is None:
        if part.found.stored != "identity":
            raise Refused("there is no tensor that could be its mapping")
        return
    if not isinstance(mapping, Tensor) or not is_plain(mapping):
        raise Refused(f"a mapping must be a tensor of numbers (given {type(mapping).__name__})")
    shape, n = mapping.shape, part.n
    if (
        len(shape) < 2
        or shape[-1] != shape[-2]
        or (n and shape[-1] != n)
        or not 1 <= shape[-1] <= 32
    ):
        raise Refused(
            f"a mapping must be [..., n, n] with n = {n or '1 to 32'} (given {list(shape)})"
        )
    if reading.lead is not None and len(shape) > 2 and tuple(shape[:-2]) != tuple(reading.lead):
        raise Refused(
            f"a mapping must be [n, n] or have the tokens {list(reading.lead)} of the streams (given {list(shape)})"
        )
    if not mapping.dtype.is_floating_point:
        raise Refused(f"a mapping must be of floating point (given {mapping.dtype})")


def take(sampler: Sampler, part: Part, reading: Reading, mapping: Tensor, module: Any) -> Sample:
    """The sampled tokens [S, n, n], float32."""
    key = (mapping.shape, mapping.device)
    n, positions, index = sampler.plans.get(key) or plan(sampler, *key)
    part.n, part.dtype = n, mapping.dtype
    checked = None
    if sampler.checking and reading.streams is not None:
        checked = look(sampler, part, reading, module, math.prod(mapping.shape[:-2]))
    return Sample(rows(mapping, n, index), positions, checked)


def look(
    sampler: Sampler, part: Part, reading: Reading, module: Any, count: int
) -> Optional[Checked]:
    """For the self-check, at the first of the sampled tokens; count: of mappings. What fails here costs no sample."""
    try:
        assert reading.streams is not None
        with torch.no_grad():
            x = reading.streams().detach()
            x = x.reshape(-1, *x.shape[-2:])
            if x.shape[1] != part.n or count not in (1, len(x)):
                raise Refused(
                    f"they are {list(x.shape)}, and its mappings {count} of {part.n} streams"
                )
            index = to_device(sampler.positions(len(x))[:CHECK_TOKENS], torch.int64, x.device)
            x, post, formula = x[index], reading.post, part.adapter.formula
            if post is not None:
                post = post.detach().reshape(-1, part.n)
                post = post[index] if len(post) > 1 else post.clone()
            # autocast makes it another
            single = (
                x.dtype is torch.float32 and (x[:1] @ x[:1].transpose(1, 2)).dtype is torch.float32
            )
            if formula is None or sampler.watched != 0:
                return Checked(x, None, post, single)
            with torch.autocast(x.device.type, enabled=False):
                return Checked(x, formula(module, part.found.part, x), post, single)
    except Exception as error:
        why = error if isinstance(error, Refused) else type(error).__name__
        sampler.faults.say(
            f"{part.adapter.name} streams",
            f"{part.name}: the self-check cannot see its streams ({why})",
        )
        return None


def plan(sampler: Sampler, shape: Any, device: Any) -> tuple[int, tuple[int, ...], Tensor]:
    """For mappings of this shape in this step: n, the positions, and these on the device."""
    positions = sampler.positions(math.prod(shape[:-2]))
    made = shape[-1], positions, to_device(positions, torch.int64, device)
    sampler.plans[shape, device] = made
    return made
