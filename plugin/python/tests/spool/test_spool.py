"""The spool against its model: what was kept comes in its order, byte by byte, within the limits of memory and disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gainwatch.spool import Spool, disk, spool

from ..support import Noted

ROOT = Path(__file__).resolve().parents[2]
# The package without what imports PyTorch.
BARE = (
    "import sys, types\n"
    "sys.modules['gainwatch'] = types.ModuleType('gainwatch')\n"
    "sys.modules['gainwatch'].__path__ = ['gainwatch']\n"
    "from gainwatch.spool import Spool\n"
    "from tests.support import Noted\n"
)
LIMITED = dict(memory_limit=20_000, disk_limit=100_000)


class Model(RuleBasedStateMachine):
    """A list of what waits."""

    def __init__(self) -> None:
        super().__init__()
        self.noted = Noted()
        self.patches = [
            mock.patch.object(spool, name, value)
            for name, value in (("REFILL_BODIES", 4), ("REFILL_BYTES", 15_000))
        ]
        for patch in self.patches:
            patch.start()
        self.spool = Spool(**LIMITED, faults=self.noted)
        self.waiting: list[tuple[str, bytes]] = []
        self.dropped = self.made = 0

    @rule(size=st.integers(1, 15_000), attempt=st.sampled_from(["a", "a.1"]))
    def keep(self, size: int, attempt: str) -> None:
        self.made += 1
        body = self.made.to_bytes(4, "big") * (size // 4 + 1)
        before = self.spool.dropped
        self.spool.keep(attempt, body)
        if self.spool.dropped == before:
            self.waiting.append((attempt, body))
        else:
            room = sum(len(b) for _, b in self.waiting)
            assert room + len(body) > LIMITED["disk_limit"] // 2, "there was room"

    @rule(bodies=st.integers(1, 8), size=st.integers(1, 40_000))
    def look(self, bodies: int, size: int) -> None:
        attempt, found = self.spool.first(bodies, size)
        assert [(attempt, body) for body in found] == self.waiting[: len(found)]
        assert bool(found) == bool(self.waiting) and len(found) <= bodies
        assert len(found) <= 1 or sum(map(len, found)) <= size

    @precondition(lambda self: self.waiting)
    @rule(bodies=st.integers(1, 8), data=st.data())
    def acknowledge(self, bodies: int, data: st.DataObject) -> None:
        _, found = self.spool.first(bodies, 1 << 30)
        count = data.draw(st.integers(0, len(found)))
        self.spool.remove(count)
        del self.waiting[:count]

    @invariant()
    def counts_and_limits(self) -> None:
        assert len(self.spool) == len(self.waiting)
        assert self.spool.disk_bytes <= LIMITED["disk_limit"]
        assert len(self.waiting) + self.spool.dropped <= self.made

    def teardown(self) -> None:
        while self.waiting:
            attempt, found = self.spool.first(100, 1 << 30)
            assert [(attempt, body) for body in found] == self.waiting[: len(found)] and found
            self.spool.remove(len(found))
            del self.waiting[: len(found)]
        assert self.spool.first(100, 1) == ("", []) and self.spool.disk_bytes == 0
        self.spool.close()
        for patch in self.patches:
            patch.stop()
        assert self.noted.counted == []


class ModelTest(Model.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=60, stateful_step_count=60)


class Disk(unittest.TestCase):
    def setUp(self) -> None:
        self.noted = Noted()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def spool(self, memory_limit: int = 0, disk_limit: int = 1 << 20) -> Spool:
        kept = Spool(memory_limit, disk_limit, self.noted)
        self.addCleanup(kept.close)
        return kept

    def test_the_disk_does_not_grow_while_it_is_read(self) -> None:
        kept = self.spool(0, 100_000)
        with mock.patch.object(spool, "REFILL_BODIES", 1):
            for number in range(200):  # one in, one out: it is never empty
                kept.keep("a", bytes(20_000) + number.to_bytes(4, "big"))
                if number >= 2:
                    _, (body,) = kept.first(1, 1)
                    self.assertEqual(int.from_bytes(body[-4:], "big"), number - 2)
                    kept.remove(1)
        self.assertEqual((kept.dropped, len(kept)), (0, 2))
        self.assertLessEqual(kept.disk_bytes, 100_000)

    def test_without_a_disk_what_has_no_room_is_dropped_and_said_once(self) -> None:
        kept = self.spool(1000, 0)
        for _ in range(5):
            kept.keep("a", bytes(400))
        self.assertEqual((len(kept), kept.dropped), (2, 3))
        self.assertEqual(len(self.noted.lines), 1)
        self.assertIn("memory_limit (1000 bytes)", self.noted.lines[0])

    def test_a_disk_that_is_full_loses_what_has_no_room_alone(self) -> None:
        """Full for real: the system lets the process write no more."""
        code = (
            "import resource\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))\n"
            "noted = Noted(); kept = Spool(0, 1 << 30, noted)\n"
            "for number in range(400): kept.keep('a', number.to_bytes(4, 'big') * 10_000)\n"
            "found = []\n"
            "while len(kept):\n"
            "    _, bodies = kept.first(50, 1 << 30); kept.remove(len(bodies)); found += bodies\n"
            "numbers = [int.from_bytes(body[:4], 'big') for body in found]\n"
            "assert numbers == sorted(numbers) and all(len({body[i:i+4] for i in range(0, 40_000, 4)}) == 1 for body in found)\n"
            "assert len(found) + kept.dropped == 400, (len(found), kept.dropped)\n"
            "assert 50 < len(found) < 200 and len(noted.lines) == 1 and not noted.counted, (len(found), noted.lines, noted.counted)\n"
            "kept.keep('a', b'again'); assert kept.first(1, 1)[1] == [b'again']\n"
        )
        subprocess.run([sys.executable, "-c", BARE + code], check=True, timeout=60, cwd=ROOT)

    def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(self) -> None:
        code = (
            "import os\n"
            "kept = Spool(0, 1 << 30, Noted())\n"
            "kept.keep('a', os.urandom(40_000))\n"
            "print('kept', flush=True)\n"
            "sys.stdin.read()\n"
        )
        environment = {**os.environ, "TMPDIR": self.folder.name}
        how: Any = {
            "cwd": ROOT,
            "env": environment,
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "text": True,
        }
        left, living = (
            subprocess.Popen([sys.executable, "-c", BARE + code], **how) for _ in range(2)
        )
        self.addCleanup(lambda: living.communicate("", 10))
        for process in (left, living):
            self.assertEqual((process.stdout or sys.stdin).readline(), "kept\n")
        left.kill()
        left.communicate()
        folders = {Path(self.folder.name, name) for name in os.listdir(self.folder.name)}
        self.assertEqual({folder.stat().st_mode & 0o777 for folder in folders}, {0o700})
        (own,) = (folder for folder in folders if folder.name.split("-")[2] == str(living.pid))
        others = Path(self.folder.name, "gainwatch-spools"), Path(self.folder.name, "else")
        for other in others:
            other.mkdir()
        with mock.patch.object(tempfile, "tempdir", self.folder.name):
            disk.sweep()
            self.assertEqual(len(os.listdir(self.folder.name)), 4)  # too young to know
            with mock.patch.object(disk, "YOUNG_SECONDS", -1.0):
                disk.sweep()
        self.assertEqual(
            {Path(self.folder.name, name) for name in os.listdir(self.folder.name)}, {own, *others}
        )

    def test_the_folder_goes_with_what_waited_in_it(self) -> None:
        with mock.patch.object(tempfile, "tempdir", self.folder.name):
            kept = self.spool()
            kept.keep("a", b"1")
            self.assertEqual(len(os.listdir(self.folder.name)), 1)
            kept.first(1, 1)
            self.assertEqual(os.listdir(self.folder.name), [])
            kept.remove(1)
            kept.keep("a", b"2")
            self.assertEqual((kept.close(), os.listdir(self.folder.name)), (1, []))

    def test_one_that_is_abandoned_leaves_no_file(self) -> None:
        with mock.patch.object(tempfile, "tempdir", self.folder.name):
            kept = self.spool()
            kept.keep("a", b"1")
            kept.abandon()
            self.assertEqual(os.listdir(self.folder.name), [])
            kept.keep("a", b"2")
            self.assertEqual(kept.close() + kept.dropped, 2)

    def test_it_is_on_disk_and_not_in_memory(self) -> None:
        code = (
            "import os, resource\n"
            "kept = Spool(0, 1 << 30, Noted())\n"
            "body = os.urandom(1 << 20); kept.keep('a', body)\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "for _ in range(100): kept.keep('a', body)\n"
            "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
            "assert grown < 20_000 and kept.disk_bytes > 100 << 20, (grown, kept.disk_bytes)\n"
        )
        subprocess.run([sys.executable, "-c", BARE + code], check=True, timeout=60, cwd=ROOT)

    def test_what_cannot_be_read_again_is_counted_and_later_ones_are_kept(self) -> None:
        kept = self.spool()
        for _ in range(3):
            kept.keep("a", b"lost")
        broken: Any = kept._disk
        broken.connection.execute("DROP TABLE waiting")
        self.assertEqual(kept.first(1, 1), ("", []))
        self.assertEqual((kept.dropped, len(kept), len(self.noted.counted)), (3, 0, 1))
        kept.keep("a", b"kept")
        self.assertEqual(kept.first(1, 1), ("a", [b"kept"]))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_child_that_ends_leaves_it_as_it_is(self) -> None:
        code = (
            "import os\n"
            "kept = Spool(0, 1 << 30, Noted())\n"
            "for n in range(200): kept.keep('a', n.to_bytes(4, 'big') * 10_000)\n"
            "child = os.fork()\n"
            "if child == 0: sys.exit(0)\n"  # the interpreter of the child closes what it has
            "assert os.waitpid(child, 0)[1] == 0\n"
            "for n in range(200, 400): kept.keep('a', n.to_bytes(4, 'big') * 10_000)\n"
            "numbers = []\n"
            "while len(kept):\n"
            "    _, bodies = kept.first(50, 1 << 30); kept.remove(len(bodies)); numbers += [int.from_bytes(b[:4], 'big') for b in bodies]\n"
            "assert numbers == list(range(400)) and not kept.dropped\n"
        )
        subprocess.run([sys.executable, "-c", BARE + code], check=True, timeout=60, cwd=ROOT)
