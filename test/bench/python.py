"""What watching costs a training step: alike trainings in turns, unwatched, watched with a monitor that answers, with a dead one and with
one that hangs; and unwatched again, which shows the noise. Prints ratios (quartiles over the rounds) of the mean time of a step to the
unwatched steps of the same round, of the process's processor time, and of dead and hanging to alive. --url: a running `gainwatch serve`,
--serve: one of its own; else a small server in another process takes what comes. --profile: what the steps call and run on a GPU,
unwatched and watched. --beside: beside wandb and trackio, which must be installed. --memory: bytes that a watched model holds more.

    python test/bench/python.py [--rounds 30] [--layers 8] [--dim 64] [--kind mhc]
    python test/bench/python.py --beside --serve [--rounds 20]
    python test/bench/python.py --device cuda --dim 1024 --length 512 --batch 8 [--profile]
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import statistics
import sys
from typing import Any

import python_beside
import python_memory
from python_beside import quartiles
from python_training import Training, gainwatch_at, monitor, unwatched


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url")
    parser.add_argument(
        "--serve", action="store_true", help="starts a gainwatch serve (npm run build comes first)"
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--package", default="deepseek")
    parser.add_argument("--kind", default="hc")
    parser.add_argument(
        "--steps", type=int, default=10, help="steps in a row before the next way has its turn"
    )
    parser.add_argument(
        "--anew",
        type=int,
        default=5,
        help="rounds after which the models are made anew: where they lie in memory has its own share",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    if given.beside:
        print(json.dumps(python_beside.beside(given), indent=1))
        return
    measure = profile if given.profile else python_memory.memory if given.memory else compare
    with monitor(given) as url:
        print(json.dumps(measure(given, url), indent=1))


def compare(given: argparse.Namespace, url: str) -> dict[str, Any]:
    hanging = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    ways = {
        "unwatched": unwatched,
        "again": unwatched,
        "alive": gainwatch_at(url),
        "dead": gainwatch_at("http://127.0.0.1:9"),
        "hanging": gainwatch_at(f"http://127.0.0.1:{hanging.getsockname()[1]}"),
    }
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    own: dict[str, list[float]] = {way: [] for way in ways}
    order = list(ways)
    trainings: dict[str, Training] = {}
    for turn in range(given.rounds):
        if turn % given.anew == 0:
            for way in trainings:
                own[way].append(trainings[way].close())
            random.Random(-turn).shuffle(order)
            trainings = {way: Training(given, ways[way]) for way in order}
        random.Random(turn).shuffle(order)
        for way in order:
            times[way].append(trainings[way].steps(given.steps))
        print(f"round {turn + 1} of {given.rounds}", file=sys.stderr)
    for way in trainings:
        own[way].append(trainings[way].close())

    def ratios(way: str, to: str, which: int) -> list[float]:
        return quartiles([a[which] / b[which] for a, b in zip(times[way], times[to])])

    result: dict[str, Any] = {
        "device": given.device,
        "unwatched_ms": round(1000 * statistics.median(wall for wall, _ in times["unwatched"]), 2),
        "rounds": given.rounds, "steps": given.steps, "connections": 2 * given.layers,
    }  # fmt: skip
    for way in list(ways)[1:]:
        result[way] = {
            "wall": ratios(way, "unwatched", 0),
            "processor": ratios(way, "unwatched", 1),
        }
        if ways[way] is not unwatched:
            result[way]["own_ms"] = round(1000 * statistics.mean(own[way]), 3)
    return {**result, **{f"{way} to alive": ratios(way, "alive", 0) for way in ("dead", "hanging")}}


def profile(given: argparse.Namespace, url: str) -> dict[str, Any]:
    """Per step: each call of the CUDA runtime by name, kernels and copies on the device, and their time."""
    import torch
    from torch.profiler import ProfilerActivity

    result = {}
    for way, to in (("unwatched", unwatched), ("watched", gainwatch_at(url))):
        training = Training(given, to)
        with torch.profiler.profile(
            activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]
        ) as found:
            training.steps(given.steps)
        counts: dict[str, float] = {}
        for event in found.events():
            if (
                event.name.startswith(("cuda", "cu"))
                and event.device_type == torch.profiler.DeviceType.CPU
            ):
                counts[event.name] = counts.get(event.name, 0) + 1 / given.steps
            elif event.device_type == torch.profiler.DeviceType.CUDA:
                counts["on the device"] = counts.get("on the device", 0) + 1 / given.steps
                counts["on the device, ms"] = (
                    counts.get("on the device, ms", 0)
                    + event.time_range.elapsed_us() / 1000 / given.steps
                )
        result[way] = {name: round(count, 2) for name, count in sorted(counts.items())}
        training.close()
    return result


if __name__ == "__main__":
    main()
