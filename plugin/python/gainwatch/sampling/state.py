"""What is known of the watched connections while the training runs: plain state. Not who changes it (`see`, `compiled`, `monitor`)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from ..adapters.protocol import Adapter, Found
from ..guard import Faults

MAX_RUNS = 8  # of one module within a forward pass, on average: more are left out and said
CHECKS = 12  # attempts of the running self-check, at the watched steps 1, 2, 4, 8, …


class Checked(NamedTuple):
    """What the self-check sees of one connection in one step: its input [tokens, n, d] at the first tokens of the sample, the mapping
    [tokens, n, n] as stored that its adapter works out anew, and its write gate [tokens, n]. single: the streams are
    float32, and so is what is made of them (no autocast)."""

    streams: Tensor
    reference: Optional[Tensor] = None
    post: Optional[Tensor] = None
    single: bool = False


class Sample(NamedTuple):
    """Of one run of a connection: [S, n, n] float32 as stored; None: the identity."""

    mapping: Optional[Tensor]
    tokens: tuple[int, ...]
    checked: Optional[Checked]


class Part:
    """One connection of a module. Plain attributes, for torch.compile reads and writes them within a graph."""

    def __init__(self, name: str, found: Found, adapter: Adapter, place: int) -> None:
        self.name, self.found, self.adapter, self.place = name, found, adapter, place
        self.n = found.n  # 0: not known before it runs
        self.device: Any = None  # of its parameters, when they were last looked at
        self.dtype: Any = None  # of its mapping, when one was last sampled
        self.run = 0  # how often it has run in the forward pass that is going on
        self.stride = 1  # 0: no pass can be seen, so what comes again is no repetition
        self.like: Any = None  # shape, dtype and lead of the mapping that was checked last
        self.samples: dict[int, Sample] = {}  # of this step, by run
        self.faults = 0  # in a row
        # Under torch.compile no Python runs in a step: the graph itself writes a run's sample here, and counts.
        self.buffers: list[Tensor] = []  # [S, n, n] for each run
        self.counts: list[Tensor] = []  # [1] int64 for each run
        # [S] float64 in [0, 1): where in its stratum a token is taken
        self.uniform: Optional[Tensor] = None
        self.written = 0  # runs that a compiled graph wrote in its last pass; 0: none is compiled
        self.wanted = 0  # runs for which there was no buffer
        self.most = 0  # runs that are known of it
        self.refused = False  # what a compiled graph has in its place cannot be its mapping
        self.captured = False  # in a CUDA graph, which replays without Python


class Mark:
    """What a module carries in its __dict__. It is nothing in a pickle and in a deep copy: those are not watched, and what loads them
    needs no gainwatch."""

    def __deepcopy__(self, memo: Any) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


class Tag(Mark):
    """Of a module with connections."""

    def __init__(
        self, sampler: Sampler, adapter: Adapter, parts: dict[str, Part], inner: bool
    ) -> None:
        self.sampler, self.adapter, self.parts = sampler, adapter, parts
        self.inner = inner  # the calls of inner functions are noted
        self.places: tuple[Any, ...] = ()  # where `quick` has seen its mappings


@dataclass
class Sampler:
    """Of one monitor: the step in progress, and what was taken in it."""

    tokens: int  # S at most
    every: int  # steps from one that is sent to the next
    faults: Faults
    parts: list[Part] = field(default_factory=list)
    step: int = 1  # in progress: the tokens follow from it
    ended: int = 0  # steps
    watched: int = 0  # steps that were sent
    active: bool = True  # this step is sampled
    closed: bool = False
    checking: bool = True  # this step's streams are kept for the self-check
    # runs of this step that were sampled, as they came
    order: list[tuple[Part, int]] = field(default_factory=list)
    depth: int = 0  # forward passes of the model that are going on, one within another
    passes: int = 0  # that have ended
    taken: Optional[int] = None  # the pass of which this step's samples are
    taken_grad: bool = True  # it was one with gradients
    grad: bool = True  # the pass that is going on is one
    training: bool = True  # the pass that is going on is to be sampled
    real: bool = True  # it is no trace, no transform, no recomputation
    entered: bool = False  # a pass was seen in this step
    runs: int = 0  # that are known of all parts
    compiled: bool = False  # a graph has written samples
    seconds: float = 0.0  # of the training thread spent in gainwatch
    plans: dict[Any, Any] = field(default_factory=dict)
    uniform: dict[Any, Tensor] = field(default_factory=dict)  # by device

    def positions(self, count: int) -> tuple[int, ...]:
        """Tokens of this step among `count`, rising, one in each of equal strata: the same in all connections and ranks. All,
        once, where they are few, unless a graph is compiled: that takes so many of any."""
        size = self.tokens if self.compiled else min(self.tokens, count)
        if size == count:
            return tuple(range(count))
        draw = random.Random(self.step).random
        return tuple(min(count - 1, int((i + draw()) * count / size)) for i in range(size))

    def draw(self, device: Any) -> Tensor:
        """[S] float64 in [0, 1), of this step."""
        chance = random.Random(self.step).random
        return to_device([chance() for _ in range(self.tokens)], torch.float64, device)

    def next(self, step: int, again: bool = False) -> None:
        """Begins a step. again: what has ended was of the step before it, a further micro-batch of it."""
        self.ended += 0 if again else 1
        self.step, self.active = step, self.ended % self.every == 0
        for part in self.parts:
            part.run = 0
            if part.samples:
                part.samples = {}
        self.order, self.plans, self.checking = [], {}, is_check(self.watched)
        self.depth, self.taken, self.entered = 0, None, False
        if self.compiled:
            for device, uniform in self.uniform.items():
                uniform.copy_(self.draw(device), non_blocking=True)


def is_check(watched: int) -> bool:
    """At the watched steps 1, 2, 4, 8, …"""
    return watched & (watched + 1) == 0 and watched < (1 << CHECKS)


def rows(mapping: Tensor, n: int, index: Tensor) -> Tensor:
    """Matrices [S, n, n] of a mapping [..., n, n], in float32 and off the tape."""
    # not a tuple of sizes: that takes half as long again
    sample = mapping.detach().reshape(-1, n, n).index_select(0, index)
    return sample if sample.dtype is torch.float32 else sample.float()


def to_device(numbers: Sequence[float], dtype: Any, device: Any) -> Tensor:
    """There, without waiting for it, whatever the training's default device is."""
    tensor = torch.tensor(numbers, dtype=dtype, device="cpu")
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
