"""What watching costs beside what others use: alike trainings, each in a process of its own (their threads do not hold each other's
interpreter), take turns: unwatched, gainwatch, wandb (offline), trackio (local). Not what a dead monitor costs (`python.py`).

gainwatch: H_res of 16 connections at 32 tokens, loss, learning rate. wandb: a histogram of each parameter's gradient (`watch`, log_freq=1),
loss, learning rate. wandb and trackio "of the loss": loss and learning rate alone."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import multiprocessing
import os
import pathlib
import random
import statistics
import sys
import tempfile
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from python_training import Training, Watch, gainwatch_at, monitor, unwatched

WAYS = ("unwatched", "again", "gainwatch", "wandb", "wandb of the loss", "trackio of the loss")


class Taken(NamedTuple):
    """Seconds of one step: on the clock, of the training's process, of the processes that it started; bytes that both hold at its end."""

    wall: float
    processor: float
    helpers: float
    held: int
    held_by_helpers: int


def wandb(model: Any, optimizer: Any, gradients: bool) -> Watch:
    """Offline, in the folder of WANDB_DIR."""
    import wandb

    run = wandb.init(mode="offline", project="bench")
    if gradients:
        wandb.watch(model, log="gradients", log_freq=1)
    return Watch(lambda loss: run.log(scalars(loss, optimizer)), run.finish)


def trackio(model: Any, optimizer: Any) -> Watch:
    """Local, in the folder of TRACKIO_DIR."""
    import trackio

    trackio.init(project="bench", embed=False)
    return Watch(lambda loss: trackio.log(scalars(loss, optimizer)), trackio.finish)


def scalars(loss: Any, optimizer: Any) -> dict[str, float]:
    return {"loss": loss.item(), "learning_rate": optimizer.param_groups[0]["lr"]}


def work(pipe: Connection, given: argparse.Namespace, way: str, folder: str) -> None:
    """In a process of its own: so many steps for each number that comes, until 0."""
    os.environ.update(WANDB_DIR=folder, WANDB_SILENT="true", TRACKIO_DIR=folder, HF_HUB_OFFLINE="1")
    watchers = {
        "wandb": lambda model, optimizer: wandb(model, optimizer, gradients=True),
        "wandb of the loss": lambda model, optimizer: wandb(model, optimizer, gradients=False),
        "trackio of the loss": trackio,
    }
    with contextlib.ExitStack() as stack:
        watcher = (
            gainwatch_at(stack.enter_context(monitor(given)))
            if way == "gainwatch"
            else watchers.get(way, unwatched)
        )
        training = Training(given, watcher)
        pipe.send(None)
        for count in iter(pipe.recv, 0):
            before, _ = helpers()
            wall, processor = training.steps(count)
            after, held = helpers()
            pipe.send(Taken(wall, processor, (after - before) / count, resident("self"), held))
        training.close()


def helpers() -> tuple[float, int]:
    """Processor seconds, and bytes in memory, of the processes that this one has started, and those have."""
    parents, seconds = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
            seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf(
                "SC_CLK_TCK"
            )
    found, fresh = set(), {os.getpid()}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh}
        found |= fresh
    return sum(seconds[pid] for pid in found), sum(resident(pid) for pid in found)


def resident(pid: object) -> int:
    """Bytes of a process in memory, without what the pages of files take that it maps."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    return 0


def beside(given: argparse.Namespace) -> dict[str, Any]:
    """Ratios to the unwatched training of the same round."""
    taken: dict[str, list[Taken]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, given.rounds, given.anew):
            with contextlib.ExitStack() as stack:
                pipes = {
                    way: stack.enter_context(started(given, way, folder))
                    for way in shuffled(-first - 1)
                }
                for turn in range(first, min(first + given.anew, given.rounds)):
                    for way in shuffled(turn):
                        pipes[way].send(given.steps)
                        taken[way].append(pipes[way].recv())
                    print(f"round {turn + 1} of {given.rounds}", file=sys.stderr)
    bare = taken["unwatched"]
    result: dict[str, Any] = {
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "wandb", "trackio")},
        "unwatched_ms": round(1000 * statistics.median(t.wall for t in bare), 2),
        "rounds": given.rounds, "steps": given.steps, "connections": 2 * given.layers,
    }  # fmt: skip
    for way in WAYS[1:]:
        pairs = list(zip(taken[way], bare))
        result[way] = {
            "wall": quartiles([t.wall / b.wall for t, b in pairs]),
            "processor": quartiles([t.processor / b.processor for t, b in pairs]),
            "with helpers": quartiles([(t.processor + t.helpers) / b.processor for t, b in pairs]),
            "MiB": round(statistics.median(t.held - b.held for t, b in pairs) / (1 << 20), 1),
            "MiB of helpers": round(
                statistics.median(t.held_by_helpers for t in taken[way]) / (1 << 20), 1
            ),
        }
    return result


@contextlib.contextmanager
def started(given: argparse.Namespace, way: str, folder: str) -> Any:
    """The pipe to a training in a process of its own."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=work, args=(other, given, way, folder))
    process.start()
    try:
        pipe.recv()
        yield pipe
        pipe.send(0)
        process.join(60)
    finally:
        process.kill()


def shuffled(seed: int) -> list[str]:
    return random.Random(seed).sample(WAYS, len(WAYS))


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(v, 4) for v in statistics.quantiles(values, n=4)]
