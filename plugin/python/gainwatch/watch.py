"""`watch`: checks its arguments, and wires finding, sampling, self-check and sending together. What each does is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

from . import find, names
from .guard import Faults, log, show_lines
from .monitor import Monitor
from .options import Options, rule
from .sampling.state import Part, Sampler
from .selfcheck.running import Check
from .transport.sender import Sender
from .wire import body
from .wired import Wired, counters


def watch(
    model: Any,
    *,
    url: Optional[str] = None,
    run: Optional[str] = None,
    optimizer: Any = None,
    matcher: Optional[Callable[..., Any]] = None,
    kind: str = "own",
    bounded: Optional[str] = None,
    orientation: str = "H",
    tokens: int = 32,
    every: int = 1,
    stage: int = 0,
    stages: int = 1,
    replica: Optional[int] = None,
    rank: Optional[int] = None,
    world_size: Optional[int] = None,
    attempt: Optional[str] = None,
    key: Optional[str] = None,
    token: Optional[str] = None,
    memory_limit: int = 64 << 20,
    disk_limit: int = 1 << 30,
    drain_seconds: float = 10.0,
    **unknown: Any,
) -> Monitor:
    """Finds the connections of `model` and sends their mappings to `url` (GAINWATCH_URL, or http://127.0.0.1:9464).

    run: its name (GAINWATCH_RUN, or one of its own like train-20261130-0551-3f9c). key: 8 to 128 of A-Z a-z 0-9 . _ : - that show whose
    the run is (GAINWATCH_KEY, or a random one); `monitor.run` and `monitor.key`, kept in the checkpoint, let what resumes go on in it.
    optimizer: one, or a list or dict of them; its learning rate is sent.
    matcher(name, module, inputs, output), or (name, module), is asked after each forward of each module and returns its mapping, a
    tensor [..., n, n] (or [n, n]) in `orientation`, or None; known modules are then not looked for. kind: what these connections are (hc,
    mhc, residual, identity, orthogonal, signed, own); bounded: which sums of them as applied are exact (doubly, rows, columns), "spectral",
    "none", or None, not known.
    tokens: sampled per step. every: steps between two that are sent. stage, stages, replica, rank, world_size: which part of the training
    this process is. memory_limit, disk_limit: bytes that wait while the monitor does not answer, in memory, then on disk.
    drain_seconds: how long `close` may wait for what was not sent yet.

    A model without connections is watched as a baseline: loss, learning rate and gradient norm are sent.

    @raises ValueError naming the argument, its rule and its value, also where a connection has more streams than 32
    """
    for name, value in unknown.items():  # a value may be a secret
        raise ValueError(
            f"{name}: no such option of gainwatch.watch (given {type(value).__name__})"
        )
    rule(
        hasattr(model, "named_modules"), "model", "must be a torch.nn.Module", type(model).__name__
    )
    options = Options(
        url, run, key, attempt, token, matcher, kind, bounded, orientation, tokens, every, stage, stages, replica, rank, world_size,
        memory_limit, disk_limit, drain_seconds,
    )  # fmt: skip
    return _wire(model, options, optimizer)


def _wire(model: Any, options: Options, optimizer: Any) -> Monitor:
    show_lines()
    faults = Faults()
    recognised = find.recognised(model, options, faults)
    sampler = Sampler(options.tokens, options.every, faults)
    assert options.rank is not None and options.world_size is not None and options.url is not None
    named = names.names(options.run, options.attempt, options.key, options.rank, options.world_size)
    encoding = body.Encoding(faults)
    sender = Sender(
        options.url, named.run, options.token, options.identity(), options.memory_limit, options.disk_limit, named.key,
        lambda record: body.encode(record, encoding), faults,
    )  # fmt: skip
    check = encoding.check = Check(faults, sender.attest)
    undo = find.attach_all(model, recognised, sampler, named.run)
    wired = Wired(
        sampler, sender, check, faults, optimizer, named.attempt, options.drain_seconds, options.world_size, named.place, undo,
    )  # fmt: skip
    encoding.fields = lambda: {**options.identity(), **counters(wired)}
    _tell(named.run, options, sampler)
    return Monitor(wired)


def _tell(run: str, options: Options, sampler: Sampler) -> None:
    page = f"{options.url}/#run={run}"
    if options.matcher is not None:
        what = "connections are found by the matcher"
    elif sampler.parts:
        what = said(sampler.parts)
    else:
        what = "no connection was found in the model (matcher= or gainwatch.register names others), so loss and norms are sent alone"
    say = log.info if options.rank == 0 else log.debug
    say("run %s: %s; page: %s", run, what, page)


def said(parts: Sequence[Part]) -> str:
    """The connections, shortly."""
    shown = ", ".join(p.name for p in parts[:3]) + (", …" if len(parts) > 3 else "")
    return f"{len(parts)} connection{'s' if len(parts) > 1 else ''} ({shown})"
