"""What watching costs a training step on the processor: one training, its steps alternately unwatched, watched with a monitor that answers, with
a dead one and with one that hangs. Prints ratios to the unwatched step (median, quartiles). --url: a running `gainwatch serve`; else a
small server in another process takes what comes.

    python test/bench/python.py [--url http://127.0.0.1:9464] [--rounds 40] [--layers 8] [--dim 64] [--kind mhc]
"""
from __future__ import annotations

import argparse
import json
import pathlib
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
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--package", default="deepseek")
    parser.add_argument("--kind", default="hc")
    parser.add_argument("--steps", type=int, default=6, help="steps in a row before the next way has its turn")
    given = parser.parse_args()

    import models
    import torch
    import torch.nn.functional as F
    from train import batch, text

    import gainwatch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = models.LanguageModel(given.package, given.kind, given.dim, given.layers, 64)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    data = text(None)
    server = None
    url = given.url
    if url is None:
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    hanging = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    ways = {"unwatched": None, "alive": url, "dead": "http://127.0.0.1:9", "hanging": f"http://127.0.0.1:{hanging.getsockname()[1]}"}

    def steps(url: str | None, count: int, number: int) -> list[float]:
        monitor = gainwatch.watch(model, url=url, run="bench", optimizer=optimizer, drain_seconds=0.0 if url != ways["alive"] else 5.0) if url else None
        seconds = []
        for i in range(count):
            x, y = batch(data, number + i, given.batch, 64)
            started = time.perf_counter()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            loss.backward()
            optimizer.step()
            if monitor:
                monitor.step(loss)
            seconds.append(time.perf_counter() - started)
        if monitor:
            overhead.setdefault(url, []).append(monitor.counters["overhead_seconds"] / count)
            monitor.close()
        return seconds[2:]  # the first ones hold the self-check, and the hooks' first time

    overhead: dict = {}
    times: dict = {way: [] for way in ways}
    steps(None, 5, 0)
    for turn in range(given.rounds):
        for way in sorted(ways, key=lambda w: hash((turn, w))):
            times[way].append(statistics.median(steps(ways[way], given.steps, turn * given.steps)))
    if server:
        server.kill()
    base = times["unwatched"]
    result = {"unwatched_ms": round(1000 * statistics.median(base), 2), "rounds": given.rounds, "connections": 2 * given.layers}
    for way, seconds in times.items():
        if way != "unwatched":
            low, middle, high = statistics.quantiles([a / b for a, b in zip(seconds, base)], n=4)
            result[way] = {"ratio": round(middle, 4), "quartiles": [round(low, 4), round(high, 4)], "own_ms": round(1000 * statistics.median(overhead[ways[way]]), 3)}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
