"""Trains a small HC or mHC character language model on the repository's own text, watched by gainwatch. Alone, or on ranks of torchrun
(gloo): data-parallel, or as pipeline stages. --dump writes what it computed itself, for comparison with what the monitor shows.

    python train.py --package deepseek --kind hc --steps 300 --url http://127.0.0.1:9464 --run hc
"""
from __future__ import annotations

import argparse
import os
import pathlib
import sys
import time

here = pathlib.Path(__file__).resolve().parent
root = here.parents[2]
sys.path[:0] = [str(root / "plugin" / "python"), str(here)]

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
import torch.nn.functional as F  # noqa: E402


def text(path: str | None) -> torch.Tensor:
    """Bytes of Markdown and TypeScript in the repository, in a fixed order; 1 MiB at most."""
    files = [pathlib.Path(path)] if path else sorted(f for folder in ("src", "alerts", "plugin") for f in (root / folder).rglob("*.ts")) + sorted(root.glob("*.md"))
    data = b"".join(f.read_bytes() for f in files)[: 1 << 20]
    if len(data) < 4096:
        raise SystemExit(f"--text: at least 4096 bytes of text are needed (found {len(data)})")
    return torch.tensor(list(data))


def batch(data: torch.Tensor, step: int, size: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The global batch of a step, the same on every rank: x, y [size, length]."""
    at = torch.randint(len(data) - length - 1, (size,), generator=torch.Generator().manual_seed(step))
    rows = torch.stack([data[i : i + length + 1] for i in at.tolist()])
    return rows[:, :-1], rows[:, 1:]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", choices=("lucidrains", "deepseek"), default="lucidrains")
    parser.add_argument("--kind", choices=("hc", "mhc"), default="hc")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32, help="sampled per step; batch x length or more: all of them")
    parser.add_argument("--stage-parallel", action="store_true", help="the ranks are stages of a pipeline, not data-parallel")
    parser.add_argument("--dump", help="folder for step-N.rankR.npy: float64 [connections, sampled tokens, n, n]")
    parser.add_argument("--dump-every", type=int, default=1)
    parser.add_argument("--text")
    parser.add_argument("--url", help="of gainwatch serve; without it, the run is not watched")
    parser.add_argument("--run", default="pytorch")
    return parser.parse_args()


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo")
    staged = given.stage_parallel and world > 1
    import models

    torch.manual_seed(0)
    share = (given.layers * rank // world, given.layers * (rank + 1) // world) if staged else (0, given.layers)
    whole = models.LanguageModel(given.package, given.kind, given.dim, given.layers, given.length)
    torch.manual_seed(0)
    model = models.LanguageModel(given.package, given.kind, given.dim, given.layers, given.length, *share)
    source = whole.state_dict()
    model.load_state_dict({key: source[key] for key in model.state_dict()})  # stages begin as the whole model does
    trained = torch.nn.parallel.DistributedDataParallel(model) if world > 1 and not staged else model
    optimizer = torch.optim.Adam(model.parameters(), lr=given.lr)
    data = text(given.text)
    monitor = None
    if given.url:
        import gainwatch

        place = {"stage": rank, "stages": world} if staged else {}
        monitor = gainwatch.watch(trained, url=given.url, run=given.run, tokens=given.tokens, optimizer=optimizer, **place)
    for step in range(1, given.steps + 1):
        started = time.perf_counter()
        x, y = batch(data, step, given.batch, given.length)
        if world > 1 and not staged:
            x, y = x.chunk(world)[rank], y.chunk(world)[rank]
        optimizer.zero_grad()
        if given.dump and step % given.dump_every == 0 and not staged:
            dump(given, model, x, step, rank)
        loss = pipeline(model, x, y, rank, world, given) if staged else alone(trained, x, y)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        optimizer.step()
        if monitor:
            monitor.step(loss, gradient_norm=norm)
        if rank == 0 and (step % 50 == 0 or step == 1):
            print(f"step {step}: loss {float(loss):.4f}, gradient norm {float(norm):.3g}, {1000 * (time.perf_counter() - started):.0f} ms", flush=True)
    if monitor:
        monitor.close()
        if rank == 0:
            print(f"monitor: {monitor.counters}, orientation {monitor.orientation}, streams {monitor.streams}", flush=True)
    if world > 1:
        dist.destroy_process_group()


def alone(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    loss.backward()
    return loss.detach()


def pipeline(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, rank: int, world: int, given: argparse.Namespace) -> torch.Tensor:
    """One batch through all stages and back; the loss is told to all."""
    shape = (*x.shape, models_streams(), given.dim) if given.package == "deepseek" else (x.shape[0] * models_streams(), x.shape[1], given.dim)
    if rank > 0:
        x = torch.empty(shape)
        dist.recv(x, rank - 1)
        x.requires_grad_()
    out = model(x)
    loss = torch.zeros(())
    if rank < world - 1:
        dist.send(out.detach().contiguous(), rank + 1)
        gradient = torch.empty_like(out)
        dist.recv(gradient, rank + 1)
        out.backward(gradient)
    else:
        loss = F.cross_entropy(out.flatten(0, 1), y.flatten())
        loss.backward()
    if rank > 0:
        dist.send(x.grad.contiguous(), rank - 1)
    loss = loss.detach().clone()
    dist.broadcast(loss, world - 1)
    return loss


def models_streams() -> int:
    import models

    return models.STREAMS


def dump(given: argparse.Namespace, model: torch.nn.Module, x: torch.Tensor, step: int, rank: int) -> None:
    """The mappings of this step's batch before the step, all connections, at the sampled tokens (the rule is written out again here)."""
    import random

    import models
    import numpy

    count, draw = x.numel(), random.Random(step).random
    size = min(given.tokens, count)
    at = list(range(count)) if size == count else [min(count - 1, int((i + draw()) * count / size)) for i in range(size)]
    model.eval()  # the monitor looks at training passes only
    with torch.no_grad():
        found = models.mappings(model, lambda: model(x))
    model.train()
    folder = pathlib.Path(given.dump)
    folder.mkdir(parents=True, exist_ok=True)
    numpy.save(folder / f"step-{step}.rank{rank}.npy", numpy.stack([m[at] for m in found]))


if __name__ == "__main__":
    main()
