"""What watching costs a training step: alike trainings in turns, unwatched, watched with a monitor that answers, with a dead one and with
one that hangs; and unwatched again, which shows the noise. Prints ratios (quartiles over the rounds) of the mean time of a step to the
unwatched steps of the same round, of the process's processor time, and of dead and hanging to alive. --url: a running `gainwatch serve`;
else a small server in another process takes what comes. --profile: what the steps call and run on a GPU, unwatched and watched.

    python test/bench/python.py [--rounds 30] [--layers 8] [--dim 64] [--kind mhc]
    python test/bench/python.py --device cuda --dim 1024 --length 512 --batch 8 [--profile]
"""
from __future__ import annotations

import argparse
import json
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(root / "plugin" / "python"), str(root / "test" / "e2e" / "pytorch")]

SERVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"{}")
    do_PUT = do_POST
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler); print(server.server_address[1], flush=True); server.serve_forever()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--package", default="deepseek")
    parser.add_argument("--kind", default="hc")
    parser.add_argument("--steps", type=int, default=10, help="steps in a row before the next way has its turn")
    parser.add_argument("--anew", type=int, default=5, help="rounds after which the models are made anew: where they lie in memory has its own share")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    server = None
    url = given.url
    if url is None:
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    try:
        print(json.dumps(profile(given, url) if given.profile else compare(given, url), indent=1))
    finally:
        if server:
            server.kill()


class Training:
    """A model of its own for each way, all alike: the monitors stay as they are in a long run."""

    def __init__(self, given: argparse.Namespace, url: str | None) -> None:
        import gainwatch
        import models
        import torch
        from train import text

        torch.manual_seed(0)
        self.given, self.data = given, text(None)
        self.model = models.LanguageModel(given.package, given.kind, given.dim, given.layers, given.length).to(given.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.monitor = gainwatch.watch(self.model, url=url, run="bench", optimizer=self.optimizer, drain_seconds=1) if url else None
        self.number = 0
        self.steps(20)  # most of the self-check is in these
        self.own = self.monitor.counters["overhead_seconds"] if self.monitor else 0.0

    def steps(self, count: int) -> tuple[float, float]:
        """Seconds of a step, and processor seconds of the process (all threads) per step."""
        import torch
        import torch.nn.functional as F
        from train import batch

        given = self.given
        batches = [batch(self.data, self.number + i, given.batch, given.length) for i in range(count)]
        batches = [(x.to(given.device), y.to(given.device)) for x, y in batches]
        if given.device == "cuda":
            torch.cuda.synchronize()
        cpu, started = time.process_time(), time.perf_counter()
        for x, y in batches:
            self.number += 1
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
            loss.backward()
            self.optimizer.step()
            if self.monitor:
                self.monitor.step(loss)
        if given.device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / count, (time.process_time() - cpu) / count

    def close(self) -> float:
        """Seconds per step that the monitor counted on the training thread."""
        if not self.monitor:
            return 0.0
        own = (self.monitor.counters["overhead_seconds"] - self.own) / (self.number - 20)
        self.monitor.close()
        return own


def compare(given: argparse.Namespace, url: str) -> dict:
    hanging = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    ways = {"unwatched": None, "again": None, "alive": url, "dead": "http://127.0.0.1:9", "hanging": f"http://127.0.0.1:{hanging.getsockname()[1]}"}
    times: dict = {way: [] for way in ways}
    own: dict = {way: [] for way in ways}
    order, trainings = list(ways), {}
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

    result = {"device": given.device, "unwatched_ms": round(1000 * statistics.median(wall for wall, _ in times["unwatched"]), 2), "rounds": given.rounds, "steps": given.steps, "connections": 2 * given.layers}
    for way in list(ways)[1:]:
        result[way] = {"wall": ratios(way, "unwatched", 0), "processor": ratios(way, "unwatched", 1)}
        if ways[way]:
            result[way]["own_ms"] = round(1000 * statistics.mean(own[way]), 3)
    return {**result, **{f"{way} to alive": ratios(way, "alive", 0) for way in ("dead", "hanging")}}


def profile(given: argparse.Namespace, url: str) -> dict:
    """Per step: each call of the CUDA runtime by name, kernels and copies on the device, and their time."""
    import torch
    from torch.profiler import ProfilerActivity

    result = {}
    for way, to in (("unwatched", None), ("watched", url)):
        training = Training(given, to)
        with torch.profiler.profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
            training.steps(given.steps)
        counts: dict = {}
        for event in found.events():
            if event.name.startswith(("cuda", "cu")) and event.device_type == torch.autograd.DeviceType.CPU:
                counts[event.name] = counts.get(event.name, 0) + 1 / given.steps
            elif event.device_type == torch.autograd.DeviceType.CUDA:
                counts["on the device"] = counts.get("on the device", 0) + 1 / given.steps
                counts["on the device, ms"] = counts.get("on the device, ms", 0) + event.time_range.elapsed_us() / 1000 / given.steps
        result[way] = {name: round(count, 2) for name, count in sorted(counts.items())}
        training.close()
    return result


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(v, 4) for v in statistics.quantiles(values, n=4)]


if __name__ == "__main__":
    main()
