"""Bodies that wait to be acknowledged, in the order they came: in memory, and what has no room there in a database on disk. Sends
nothing. All of it is called by one thread.

The database is a temporary one of SQLite (its name is empty): a file in its folder for such (SQLITE_TMPDIR, TMPDIR, /var/tmp, /tmp)
that nobody else can open and that is gone with the process, however that ends. A forked process must leave the spool alone.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from ..guard import Faults

REFILL_BODIES, REFILL_BYTES = 256, 8 << 20  # that come back to memory at once
PAGE_BYTES = 4096
SMALLEST_PAGES = 4  # of a database with one row


class Spool:
    """memory_limit, disk_limit: bytes; what has room in neither is dropped, counted, and said once. len(): bodies that wait."""

    def __init__(self, memory_limit: int, disk_limit: int, faults: Faults) -> None:
        self.dropped = 0
        self._memory_limit, self._pages, self._faults = memory_limit, disk_limit // PAGE_BYTES, faults
        self._memory: deque[tuple[str, bytes]] = deque()
        self._memory_bytes = 0
        self._disk: Optional[sqlite3.Connection] = None
        self._on_disk = 0

    def __len__(self) -> int:
        return len(self._memory) + self._on_disk

    @property
    def disk_bytes(self) -> int:
        """What the file has now."""
        if self._disk is None:
            return 0
        return PAGE_BYTES * int(self._disk.execute("PRAGMA page_count").fetchone()[0])

    def keep(self, attempt: str, body: bytes) -> None:
        """Behind those that wait."""
        if not self._on_disk and self._memory_bytes + len(body) <= self._memory_limit:
            self._memory.append((attempt, body))
            self._memory_bytes += len(body)
            return
        try:
            if self._write(attempt, body):
                return
            why = f"memory_limit ({self._memory_limit} bytes) is reached"
        except (sqlite3.Error, OSError) as error:
            why = f"disk_limit ({self._pages * PAGE_BYTES} bytes) is reached, or the disk refuses: {error}"
        self.dropped += 1
        self._faults.say("spool", f"samples that wait for the monitor are dropped from now on: {why}")

    def first(self, bodies: int, size: int) -> tuple[str, list[bytes]]:
        """Those at the head that are of one attempt, at most so many, and of at most `size` bytes together unless it is one; none
        where nothing waits. They stay until `remove`."""
        if not self._memory:
            self._refill()
        attempt, found, total = "", [], 0
        for its, body in self._memory:
            total += len(body)
            if found and (its != attempt or len(found) == bodies or total > size):
                break
            attempt = its
            found.append(body)
        return attempt, found

    def remove(self, count: int) -> None:
        """The first so many, of those that `first` gave."""
        for _ in range(count):
            _, body = self._memory.popleft()
            self._memory_bytes -= len(body)

    def close(self) -> None:
        """Frees the disk. What waits there is counted as waiting still."""
        if self._disk is not None:
            self._disk.close()
            self._disk = None

    def _write(self, attempt: str, body: bytes) -> bool:
        """False where the disk is not to be used."""
        if self._pages < SMALLEST_PAGES:
            return False
        if self._disk is None:
            self._disk = _open(self._pages)
        self._disk.execute("INSERT INTO waiting (attempt, body) VALUES (?, ?)", (attempt, body))
        self._on_disk += 1
        return True

    def _refill(self) -> None:
        """From disk to memory; the file goes where all of it was read, or cannot be."""
        if self._disk is None:
            return
        try:
            rows = self._disk.execute("SELECT place, attempt, body FROM waiting ORDER BY place LIMIT ?", (REFILL_BODIES,))
            taken, last = [], 0
            for last, attempt, body in rows:
                taken.append((attempt, body))
                self._memory_bytes += len(body)
                if self._memory_bytes >= REFILL_BYTES:
                    break
            rows.close()
            self._memory.extend(taken)
            self._on_disk -= len(taken)
            self._disk.execute("DELETE FROM waiting WHERE place <= ?", (last,))
        except (sqlite3.Error, OSError) as error:
            self._faults.count(f"{self._on_disk} samples that waited on disk cannot be read", error)
            self.dropped += self._on_disk
            self._on_disk = 0
        if not self._on_disk:
            self.close()


def _open(pages: int) -> sqlite3.Connection:
    """An empty database of so many pages at most. Nothing is read of it after a crash: no journal on disk, no waiting for the disk."""
    disk = sqlite3.connect("", isolation_level=None)
    try:
        for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=MEMORY", "synchronous=OFF", f"max_page_count={pages}"):
            disk.execute(f"PRAGMA {pragma}")
        disk.execute("CREATE TABLE waiting (place INTEGER PRIMARY KEY AUTOINCREMENT, attempt TEXT NOT NULL, body BLOB NOT NULL)")
    except BaseException:
        disk.close()
        raise
    return disk
