"""A training on several ranks: one of them watched alone, and parameters that are sharded."""

from __future__ import annotations

import pathlib
import tempfile
import unittest

import torch
from torch.multiprocessing.spawn import spawn

import gainwatch
from tests.case import Case
from tests.models import model_of, tokens_of, train
from tests.support import Server


class Ranks(unittest.TestCase):
    def test_a_monitor_on_rank_0_alone_says_so(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            spawn(alone_rank, (folder,), 2)
            self.assertIn("called on 1 of 2 ranks", pathlib.Path(folder, "said").read_text())

    def test_sharded_parameters(self) -> None:
        try:
            from torch.distributed.fsdp import fully_shard  # noqa: F401
        except ImportError as error:
            self.skipTest(f"FSDP2 is not in this torch: {error}")
        with tempfile.TemporaryDirectory() as folder:
            spawn(sharded_rank, (folder,), 2)


def alone_rank(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    model, server, check = model_of("deepseek", "hc", 1), Server(), Case()
    if rank == 0:
        with check.assertLogs("gainwatch", "WARNING") as logs:
            monitor = gainwatch.watch(model, url=server.url, run="alone")
            train(model, monitor, 3)
        monitor.close()
        pathlib.Path(folder, "said").write_text("\n".join(logs.output))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    server.close()


def sharded_rank(rank: int, folder: str) -> None:
    """Both packages under FSDP2, watched before and after they are sharded."""
    from torch.distributed.fsdp import fully_shard

    from tests.models import expected

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    check, server = Case(), Server()
    for package, whole in (("deepseek", 4 * (24 * 64 + 24 + 3)), ("lucidrains", None)):
        losses = []
        for first in (True, False, None):
            model = model_of(package, "mhc")
            for p in model.parameters():
                p.data = p.data.reshape(p.shape or 1)  # FSDP2 takes no scalars
            wanted = expected(model, tokens_of(rank))
            server.steps.clear()
            monitor = gainwatch.watch(model, url=server.url, run=package) if first else None
            for module in (*model.layers.values(), model):
                fully_shard(module)
            if first is False:
                monitor = gainwatch.watch(model, url=server.url, run=package)
            loss = model(tokens_of(rank)).square().mean()
            loss.backward()
            losses.append((loss.item(), [p.grad.to_local().clone() for p in model.parameters()]))
            if monitor is None:
                continue
            monitor.step()
            monitor.close()
            check.assert_equal(server.steps[0], wanted)
            check.assertEqual(monitor.counters["errors"], 0)
            if whole:
                check.assertAlmostEqual(
                    server.steps[0].tensors["@memory"][0, 0], whole / 2, delta=8
                )
        for loss, gradients in losses[:2]:
            check.assertEqual(loss, losses[2][0])
            check.assertTrue(all(torch.equal(a, b) for a, b in zip(gradients, losses[2][1])))
    torch.distributed.destroy_process_group()
    server.close()


if __name__ == "__main__":
    unittest.main()
