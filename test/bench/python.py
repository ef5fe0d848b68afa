"""What watching costs a training step on the processor: alike trainings in turns, unwatched, watched with a monitor that answers, with a dead
one and with one that hangs; and unwatched again, which shows the noise. Prints ratios to the unwatched steps of the same turn (quartiles), of time and of the process's processor time. --url: a running `gainwatch serve`; else a
small server in another process takes what comes.

    python test/bench/python.py [--url http://127.0.0.1:9464] [--rounds 30] [--layers 8] [--dim 64] [--kind mhc]
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
    parser.add_argument("--package", default="deepseek")
    parser.add_argument("--kind", default="hc")
    parser.add_argument("--steps", type=int, default=10, help="steps in a row before the next way has its turn")
    given = parser.parse_args()

    import gainwatch
    import models
    import torch
    import torch.nn.functional as F
    from train import batch, text

    torch.set_num_threads(1)
    data = text(None)
    server = None
    url = given.url
    if url is None:
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    hanging = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    ways = {"unwatched": None, "again": None, "alive": url, "dead": "http://127.0.0.1:9", "hanging": f"http://127.0.0.1:{hanging.getsockname()[1]}"}

    class Training:
        """A model of its own for each way, all alike: the monitors stay as they are in a long run."""

        def __init__(self, url: str | None) -> None:
            torch.manual_seed(0)
            self.model = models.LanguageModel(given.package, given.kind, given.dim, given.layers, 64)
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
            self.monitor = gainwatch.watch(self.model, url=url, run="bench", optimizer=self.optimizer, drain_seconds=1) if url else None
            self.number, self.own = 0, 0.0

        def steps(self, count: int) -> tuple[float, float]:
            """Median seconds of a step, and processor seconds of the process (all threads) per step."""
            seconds, cpu = [], time.process_time()
            for _ in range(count):
                self.number += 1
                x, y = batch(data, self.number, given.batch, 64)
                started = time.perf_counter()
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
                loss.backward()
                self.optimizer.step()
                if self.monitor:
                    self.monitor.step(loss)
                seconds.append(time.perf_counter() - started)
            return statistics.median(seconds), (time.process_time() - cpu) / count

    trainings = {way: Training(url) for way, url in ways.items()}
    for training in trainings.values():
        training.steps(20)  # most of the self-check is in these
        training.own = training.monitor.counters["overhead_seconds"] if training.monitor else 0.0
    times: dict = {way: [] for way in ways}
    order = list(ways)
    for turn in range(given.rounds):
        random.Random(turn).shuffle(order)
        for way in order:
            times[way].append(trainings[way].steps(given.steps))
    base = times["unwatched"]
    result = {"unwatched_ms": round(1000 * statistics.median(wall for wall, _ in base), 2), "rounds": given.rounds, "steps": given.steps, "connections": 2 * given.layers}
    for way, found in list(times.items())[1:]:
        training = trainings[way]
        walls, cpus = [a / b for (a, _), (b, _) in zip(found, base)], [a / b for (_, a), (_, b) in zip(found, base)]
        result[way] = {"wall": quartiles(walls), "processor": quartiles(cpus)}
        if training.monitor:
            own = 1000 * (training.monitor.counters["overhead_seconds"] - training.own) / (given.rounds * given.steps)
            result[way]["own_ms"] = round(own, 3)
            training.monitor.close()
    if server:
        server.kill()
    print(json.dumps(result, indent=1))


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(v, 4) for v in statistics.quantiles(values, n=4)]


if __name__ == "__main__":
    main()
