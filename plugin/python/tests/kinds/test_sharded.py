"""Under FSDP2, on two ranks: losses and gradients of a watched model are those of an unwatched one to the bit, and all
connections are seen, whether it is watched before or after it is sharded. Over all implementations that FSDP2 takes."""

from __future__ import annotations

import logging
import pathlib
import tempfile
import traceback
import unittest
import warnings
from typing import Any, Optional, cast

import torch
from torch.multiprocessing.spawn import spawn

import gainwatch
from tests.implementations import Implementation
from tests.kinds.kinds import STEPS
from tests.kinds.test_kinds import DEPTH, D, N, same, subjects
from tests.support import Server


class Sharded(unittest.TestCase):
    def test_every_implementation(self) -> None:
        try:
            from torch.distributed.fsdp import fully_shard  # noqa: F401
        except ImportError as error:
            self.skipTest(f"FSDP2 is not in this torch: {error}")
        with tempfile.TemporaryDirectory() as folder:
            spawn(rank_of_two, (folder,), 2)
            for rank in (0, 1):
                wrong = pathlib.Path(folder, f"wrong{rank}").read_text()
                self.assertEqual(wrong, "")
            self.assertGreater(int(pathlib.Path(folder, "tried").read_text()), 10)


def rank_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("gainwatch").setLevel(logging.CRITICAL + 1)
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", store, rank=rank, world_size=2)
    server, wrong, tried = Server(), [], 0
    for entry in subjects():
        plain, failed = trained(entry, rank, None, server)
        if failed:
            continue  # FSDP2 does not take it
        tried += 1
        for when in ("before", "after"):
            found, failed = trained(entry, rank, when, server)
            if failed or not all(same(a, b) for a, b in zip(found, plain)):
                wrong.append(f"{entry.name}, watched {when}: {failed or 'other numbers'}")
    pathlib.Path(folder, f"wrong{rank}").write_text("\n".join(wrong))
    if rank == 0:
        pathlib.Path(folder, "tried").write_text(str(tried))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    server.close()


def trained(
    entry: Implementation, rank: int, when: Optional[str], server: Server
) -> tuple[list[Any], str]:
    """Losses and gradients of some steps, and what was wrong."""
    from torch.distributed.fsdp import fully_shard

    model = entry.make(N, entry.channels * D, 1, DEPTH)
    given: dict[str, Any] = {"url": server.url, "run": "sharded", "matcher": entry.matcher}
    monitor, found, names = None, [], entry.connections(DEPTH)
    try:
        if when == "before":
            monitor = gainwatch.watch(model, **given)
        for layer in (*model.layers, model):  # type: ignore[misc]
            fully_shard(layer)
        if when == "after":
            monitor = gainwatch.watch(model, **given)
        if monitor is not None and entry.found == "adapter":
            names = [part.name for part in cast(Any, monitor._wired).sampler.parts]
        for step in range(STEPS):
            loss = model(entry.streams(N, entry.channels * D, 2 * step + rank)).square().mean()
            loss.backward()
            found.append(loss.detach())
            if monitor is not None:
                monitor.step(loss)
        found += [cast(Any, p.grad).to_local() for p in model.parameters() if p.grad is not None]
    except Exception:
        return [], traceback.format_exc()[-600:]
    finally:
        if monitor is not None:
            monitor.close()
    if names != entry.connections(DEPTH):
        return found, f"found {names}"
    if monitor is not None and (
        monitor.counters["errors"] or monitor.counters["acknowledged"] != STEPS
    ):
        return found, str(monitor.counters)
    return found, ""


if __name__ == "__main__":
    unittest.main()
