"""Names, keys, addresses and tokens as `watch` takes them, alone and on the ranks of a training."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import tempfile
import unittest
from typing import Any
from unittest import mock

import torch
from torch.multiprocessing.spawn import spawn

import gainwatch
from gainwatch import names, options
from tests.case import Case
from tests.models import model_of, train

SECRET = "SECRET0123456789"


class Names(unittest.TestCase):
    def names(
        self,
        run: Any = None,
        attempt: Any = None,
        key: Any = None,
        rank: int = 0,
        world_size: int = 1,
        **environment: str,
    ) -> Any:
        with mock.patch.dict(os.environ, environment), mock.patch.object(names, "_watched", [0, 0]):
            return names.names(run, attempt, key, rank, world_size)

    def test_trainings_of_no_name_have_names_and_keys_of_their_own(self) -> None:
        found = [self.names() for _ in range(50)]
        self.assertGreater(len({n.run for n in found}), 45)
        self.assertEqual(len({n.key for n in found}), 50)
        self.assertEqual(len({n.attempt for n in found}), 50)
        for n in found:
            self.assertRegex(n.run, r"^train-\d{8}-\d{4}-[0-9a-f]{4}$")
            self.assertRegex(n.key, r"^[0-9a-f]{32}$")

    def test_a_restart_of_torchrun_goes_on_in_the_run_with_its_key_and_another_attempt(
        self,
    ) -> None:
        found = [
            self.names(
                rank=r, world_size=2, TORCHELASTIC_RUN_ID="job/42", TORCHELASTIC_RESTART_COUNT=c
            )
            for c in "01"
            for r in (0, 1)
        ]
        self.assertEqual(
            {n.key for n in found}, {hashlib.sha256(b"gainwatch key job/42").hexdigest()}
        )
        self.assertEqual(len({n.run for n in found}), 1)
        self.assertEqual(
            [n.attempt for n in found], ["job_42.0.1", "job_42.0.1", "job_42.1.1", "job_42.1.1"]
        )
        self.assertNotEqual(self.names(TORCHELASTIC_RUN_ID="job_42").run, found[0].run)
        self.assertNotEqual(
            self.names(TORCHELASTIC_RUN_ID="none").key, self.names(TORCHELASTIC_RUN_ID="none").key
        )
        long = {self.names(TORCHELASTIC_RUN_ID="j" * 200 + end).run for end in "ab"}
        self.assertEqual(
            [len(long), {bool(options.RUN.fullmatch(run)) for run in long}], [2, {True}]
        )

    def test_ranks_that_know_an_attempt_know_the_key_and_the_run(self) -> None:
        a, b = (self.names(attempt="start-1", rank=r, world_size=2) for r in (0, 1))
        self.assertEqual(a, b)
        key = hashlib.sha256(b"gainwatch key start-1").hexdigest()
        self.assertEqual((a.run, a.attempt, a.key), ("train-start-1", "start-1", key))

    def test_a_rank_that_watches_by_itself_is_a_run_of_its_own(self) -> None:
        several: Any = {"TORCHELASTIC_RUN_ID": "job", "WORLD_SIZE": "2"}
        together = self.names(rank=0, world_size=2, RANK="0", **several)
        alone = [self.names(RANK=rank, **several) for rank in "01"]
        self.assertEqual([n.run for n in alone], ["train-job-rank0", "train-job-rank1"])
        self.assertEqual(len({n.key for n in (together, *alone)}), 3)

    def test_a_job_of_slurm_is_no_training(self) -> None:
        a, b = (self.names(SLURM_JOB_ID="42") for _ in "ab")
        self.assertNotEqual(a.key, b.key)

    def test_the_ranks_of_a_process_group_have_what_rank_0_made(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            spawn(naming_rank, (folder,), 2)
            found = [json.loads(pathlib.Path(folder, str(rank)).read_text()) for rank in (0, 1)]
        self.assertEqual(found[0], found[1])
        self.assertEqual(len({key for _, _, key, _ in found[0]}), 3)  # of rank 0: a given one too
        self.assertEqual(found[0][2][2], "given-by-rank-0")


def naming_rank(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    given = "given-by-rank-0" if rank == 0 else None
    if rank == 0:
        names.names(None, None, None, 0, 1)  # by itself, beside what all watch
    made = [
        names.names(None, None, None, rank, 2),
        names.names("hc", None, None, rank, 2),
        names.names(None, None, given, rank, 2),
    ]
    torch.distributed.barrier()
    assert [names.watching(one.place) for one in made] == [2, 2, 2]
    pathlib.Path(folder, str(rank)).write_text(json.dumps(made))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


class Given(Case):
    def test_the_key_goes_with_every_request_and_is_read_from_the_monitor(self) -> None:
        ways: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
            ({"key": "of-the-checkpoint"}, {}),
            ({}, {}),
            ({"run": None}, {"GAINWATCH_KEY": "of-the-environment", "GAINWATCH_RUN": "named"}),
        )
        model = model_of("deepseek", "hc", 1)
        for given, environment in ways:
            self.server.headers.clear()
            with mock.patch.dict(os.environ, environment):
                monitor = self.watch(model, **given)
            train(model, monitor, 2)
            monitor.close()
            self.assertEqual(
                {headers.get("Gainwatch-Key") for headers in self.server.headers}, {monitor.key}
            )
            self.assertEqual(
                monitor.key, given.get("key") or environment.get("GAINWATCH_KEY") or monitor.key
            )
        self.assertEqual(monitor.run, "named")
        bad: Any
        for bad in ("short", "a" * 129, "with space", "line\nend", 12345678):
            with self.assertRaisesRegex(ValueError, "^key: must be 8 to 128") as raised:
                gainwatch.watch(model, key=bad)
            self.assertNotIn(str(bad), str(raised.exception))

    def test_what_resumes_has_the_run_and_the_key(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model, run=None)
        checkpoint = {"run": monitor.run, "key": monitor.key}
        monitor.close()
        again = self.watch(model, **checkpoint)
        self.assertEqual({"run": again.run, "key": again.key}, checkpoint)
        self.assertNotEqual(again.attempt, monitor.attempt)

    def test_an_address_with_more_than_an_address_is_refused_without_repeating_it(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for url in (
            f"http://h:9464/?token={SECRET}",
            f"http://h/#{SECRET}",
            f"http://user:{SECRET}@h:9464",
            f"http://{SECRET}@h/",
        ):
            with (
                self.subTest(url=url),
                self.assertRaisesRegex(ValueError, "^url: must be http://host:port") as raised,
            ):
                gainwatch.watch(model, url=url)
            self.assertNotIn("SECRET", str(raised.exception))
            with (
                mock.patch.dict(os.environ, GAINWATCH_URL=url),
                self.assertRaisesRegex(ValueError, "^url: "),
            ):
                gainwatch.watch(model)
        odd: Any
        for odd in ("h:9464", "ftp://h", "http://", "http://h:99999", "http://a b", 5, b"http://h"):
            with (
                self.subTest(bad=odd),
                self.assertRaisesRegex(ValueError, "^url: must be http://host:port"),
            ):
                gainwatch.watch(model, url=odd)

    def test_a_path_is_part_of_it(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for path in ("/", "/base", "/base/", "/a/b%20c/"):
            self.server.paths.clear()
            monitor = self.watch(model, url=f" {self.server.url}{path}\n")
            train(model, monitor)
            monitor.close()
            at = f"{path.rstrip('/')}/api/v1/runs/test"
            self.assertEqual({p for _, p in self.server.paths}, {at, f"{at}/steps"})

    def test_a_token_that_is_no_header_is_refused_without_repeating_it(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for bad in (f"{SECRET}\n", f"a {SECRET}", f"{SECRET}ä", 5):
            with (
                self.subTest(bad=bad),
                self.assertRaisesRegex(ValueError, "^token: must be printable") as raised,
            ):
                self.watch(model, token=bad)
            self.assertNotIn("SECRET", str(raised.exception))
        with self.assertRaisesRegex(ValueError, "^tokn: no such option") as raised:
            gainwatch.watch(model, tokn=SECRET)
        self.assertNotIn("SECRET", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
