"""The sender beside a training: what it takes in, when, and what it says to the monitor of its run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import numpy as np

from gainwatch.transport import timing

from ..support import Answer, Server, record_of, wait
from .sending import LISTING, MATRICES, Sending

ROOT = Path(__file__).resolve().parents[2]


class Taking(Sending):
    def test_a_monitor_that_hangs_delays_no_step(self) -> None:
        self.server.behaviour = "hang"
        sender = self.start()
        records = [record_of(step, MATRICES, LISTING) for step in range(1, 51)]
        started = time.perf_counter()
        for record in records:
            sender.put(record)
        self.assertLess(time.perf_counter() - started, 0.2)
        self.close(sender, 0.3)

    def test_a_slow_answer_is_waited_for(self) -> None:
        """The monitor waits for other ranks and its disk up to 20 s."""

        def behaviour(method: str, *_: Any) -> None:
            time.sleep(6 if method == "POST" else 0)

        self.server.behaviour = behaviour
        sender = self.start(2)
        wait(lambda: sender.acknowledged == 2)
        self.assertEqual((self.server.arrived(), sender.errors), ([1, 2], 0))
        self.server.behaviour = "ok"

    def test_while_an_answer_is_waited_for_records_are_taken_in(self) -> None:
        self.server.behaviour = "hang"
        sender = self.start(1, memory_limit=1 << 18)
        wait(lambda: self.server.paths)
        for first in range(2, 802, 40):
            self.train(sender, 40, first)
            wait(sender._records.empty)
        self.assertEqual(sender.dropped, 0)
        self.assertGreater(sender._state.spool.disk_bytes, 0)
        started = time.monotonic()
        self.close(sender, 0.3)
        self.assertLess(time.monotonic() - started, 5)

    def test_one_that_comes_back_gets_everything(self) -> None:
        port = self.server.port
        sender = self.start(5)
        wait(lambda: sender.acknowledged == 5)
        first = self.server.arrived()
        self.server.close()
        self.train(sender, 5, 6)
        time.sleep(0.3)
        self.server = Server(port)
        self.server.behaviour = 503
        self.train(sender, 5, 11)
        time.sleep(0.3)
        self.server.behaviour = "ok"
        self.close(sender)
        self.assertEqual(sorted(set(first + self.server.arrived())), list(range(1, 16)))
        self.assertEqual(sender.acknowledged, 15)

    def test_what_waits_goes_to_disk_up_to_the_limit_and_arrives_in_order(self) -> None:
        self.server.behaviour = 503
        sender = self.start(40, memory_limit=20_000, disk_limit=60_000)
        wait(lambda: sender._records.empty() and sender.dropped > 0)
        self.server.behaviour = "ok"
        self.close(sender)
        steps = [step.step for step in self.server.steps]
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(len(steps), 40 - sender.dropped)
        self.assertGreater(len(steps), 20_000 // 4000)
        self.assertEqual(self.noted.said("are dropped from now on"), 1)

    def test_records_that_are_too_many_to_be_made_bodies_of_are_dropped(self) -> None:
        """The thread is away: nothing takes them in."""
        sender = self.start(memory_limit=0)
        with mock.patch.object(sender, "_take_in", lambda: None):
            self.train(sender, 2000)
            self.assertGreater(sender.dropped, 0)
            held = sum(size for size, _ in iter_queue(sender._records))
        self.assertLessEqual(held, sender._most_bytes)

    def test_what_cannot_be_made_a_body_is_counted_and_stops_nothing(self) -> None:
        def encode(record: Any) -> Optional[bytes]:
            if record.step == 2:
                raise RuntimeError("of an adapter")
            return None if record.step == 3 else b"\x02\0\0\0\0\0\0\0{}"

        taken = (
            200,
            {"Content-Type": "application/json"},
            b'{"run": "test", "accepted": 1, "duplicates": 0, "late": 0}',
        )
        self.server.behaviour = lambda *_: taken
        sender = self.start(5, encode=encode)
        self.close(sender)
        self.assertEqual((sender.acknowledged, sender.dropped), (3, 2))
        self.assertEqual(
            [(what, str(error)) for what, error in self.noted.counted],
            [("a sample could not be made", "of an adapter")],
        )


def iter_queue(waiting: Any) -> Any:
    while not waiting.empty():
        yield waiting.get_nowait()


class Saying(Sending):
    def test_a_run_is_opened_before_its_steps_and_closed_after_them(self) -> None:
        order: list[str] = []

        def behaviour(method: str, _path: str, data: bytes) -> Optional[Answer]:
            order.append(json.loads(data)["state"] if method == "PUT" else "steps")
            return None

        self.server.behaviour = behaviour
        sender = self.start(3)
        self.close(sender, outcome="failed")
        self.assertEqual((order[0], order[-1], set(order[1:-1])), ("open", "closed", {"steps"}))
        opened, closed = self.server.puts
        expected = {
            "state": "open",
            "rank": 0,
            "world_size": 1,
            "attempt": "a",
            "streams": 4,
            "tokens": 8,
            "order": ["block0", "block1"],
        }
        self.assertEqual({key: opened[key] for key in expected}, expected)
        self.assertLess(abs(opened["started"] / 1000 - time.time()), 60)
        self.assertEqual(
            closed,
            {"state": "closed", "attempt": "a", "rank": 0, "world_size": 1, "outcome": "failed"},
        )

    def test_another_attempt_is_opened_when_its_first_step_is_sent(self) -> None:
        sender = self.start(2)
        self.train(sender, 2, 1, "a.1")
        self.close(sender)
        opened = [put["attempt"] for put in self.server.puts if put["state"] == "open"]
        self.assertEqual(opened, ["a", "a.1"])
        self.assertEqual(
            [step.metadata["attempt"] for step in self.server.steps], ["a", "a", "a.1", "a.1"]
        )

    def test_what_is_found_out_later_is_said_with_what_is_sent_next(self) -> None:
        sender = self.start(2)
        wait(lambda: sender.acknowledged == 2)
        more = {
            "streams": 4,
            "tokens": 8,
            "order": ["block0", "block1", "block1#2"],
            "self_test": [{"name": "block0"}],
        }
        sender.describe(more)
        wait(lambda: len(self.server.puts) == 2)
        self.train(sender, 1, 3)
        self.close(sender)
        opened = [put for put in self.server.puts if put["state"] == "open"]
        self.assertEqual(
            [(put["attempt"], len(put["order"]), "self_test" in put) for put in opened],
            [("a", 2, False), ("a", 3, True)],
        )
        self.assertEqual(opened[0]["started"], opened[1]["started"])

    def test_what_json_has_not_is_a_text_and_what_is_no_value_is_null(self) -> None:
        sender = self.start()
        found = {
            "gain": math.nan,
            "bound": np.float32("inf"),
            "n": np.int64(4),
            "odd": object(),
            "names": ("a",),
        }
        sender.describe({"streams": 4, "order": [], "self_test": [found]})
        self.train(sender, 1)
        self.close(sender)
        expected = {"gain": "NaN", "bound": "Infinity", "n": 4, "odd": None, "names": ["a"]}
        self.assertEqual(self.server.puts[0]["self_test"], [expected])
        self.assertEqual(self.noted.said("a object is no number"), 1)

    def test_nothing_is_said_of_a_run_without_steps(self) -> None:
        sender = self.start()
        sender.describe({"streams": 4, "order": ["block0"], "self_test": []})
        time.sleep(0.3)
        self.assertEqual(self.server.puts, [])
        self.close(sender)
        self.assertEqual([put["state"] for put in self.server.puts], ["closed"])

    def test_key_version_and_token_go_with_every_request(self) -> None:
        sender = self.start(2, token="secret")
        self.close(sender)
        self.assertEqual(len(self.server.headers), 3)
        wanted = {
            "Gainwatch-Key": "key-of-the-test",
            "Gainwatch-Version": "1",
            "Authorization": "Bearer secret",
        }
        for headers in self.server.headers:
            self.assertEqual({name: headers.get(name) for name in wanted}, wanted)
            self.assertNotIn("Content-Encoding", headers)

    def test_a_path_is_part_of_the_address(self) -> None:
        for path in ("", "/", "/base", "/base/", "/a/b%20c/"):
            self.server.paths.clear()
            self.close(self.start(1, url=f"{self.server.url}{path}"))
            run = f"{path.rstrip('/')}/api/v1/runs/test"
            self.assertEqual({p for _, p in self.server.paths}, {run, f"{run}/steps"})

    def test_what_goes_to_another_machine_is_compressed(self) -> None:
        with mock.patch("gainwatch.transport.state.is_loopback", lambda url: False):
            sender = self.start(3)
            self.close(sender)
        self.assertEqual(
            {headers.get("Content-Encoding") for headers in self.server.headers}, {"gzip"}
        )
        self.assertEqual(
            (self.server.arrived(), self.server.puts[-1]["outcome"]), ([1, 2, 3], "completed")
        )


class AtExit(Sending):
    def test_a_script_that_ends_drains_in_its_exit(self) -> None:
        """Threads of Python may not be begun by then, and libraries are loaded late."""
        code = (
            "import atexit\n"
            "from tests.transport.sending import LISTING, MATRICES, Encoding, Noted, Sender, encode, record_of\n"
            f"s = Sender({self.server.url!r}, 'test', None, {{}}, 1 << 20, 0, '', lambda r: encode(r, Encoding(Noted())), Noted())\n"
            "s.describe({'streams': 4, 'order': ['block0', 'block1']})\n"
            "s.start()\n"
            "atexit.register(s.close, 'unknown', 'a', 10)\n"
            "for step in range(1, 8): s.put(record_of(step, MATRICES, LISTING))\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)
        self.assertEqual([step.step for step in self.server.steps], list(range(1, 8)))
        self.assertEqual(self.server.puts[-1]["outcome"], "unknown")

    def test_the_libraries_are_loaded_in_the_background(self) -> None:
        code = (
            "import sys, gainwatch, gainwatch.transport, gainwatch.wire.body, gainwatch.spool\n"
            "print([name for name in ('urllib3', 'safetensors') if name in sys.modules])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            timeout=60,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.stdout.strip(), "[]")


class TimeOut(Sending):
    def test_the_request_that_hangs_is_ended_and_made_again(self) -> None:
        self.patch(timing, "TIMEOUT_SECONDS", 0.5)
        self.server.behaviour = "hang"
        sender = self.start(2)
        wait(lambda: len(self.server.paths) >= 2)
        self.assertIn("no answer within", sender.reason)
        self.server.behaviour = "ok"
        wait(lambda: sender.acknowledged == 2)
        self.assertEqual(self.server.arrived(), [1, 2])
