"""Bodies that wait to be acknowledged, in the order they came: in memory, and behind those, what has no room there, on disk. Sends
nothing. All of it but `abandon` is called by one thread; a forked process must leave it alone.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Optional

from .disk import (
    PAGE_BYTES,
    SMALLEST_PAGES,
    Disk,
    close_disk,
    open_disk,
    remove_folder,
    take,
    used_bytes,
    write,
)

if TYPE_CHECKING:
    from ..guard import Faults

REFILL_BODIES, REFILL_BYTES = 256, 8 << 20  # that come back to memory at once


class Spool:
    """memory_limit, disk_limit: bytes; what has room in neither is dropped, counted, and said once. len(): bodies that wait."""

    def __init__(self, memory_limit: int, disk_limit: int, faults: Faults) -> None:
        self.dropped = 0
        self._memory_limit, self._disk_limit, self._faults = memory_limit, disk_limit, faults
        self._memory: deque[tuple[str, bytes]] = deque()
        self._memory_bytes = 0
        self._disk: Optional[Disk] = None

    def __len__(self) -> int:
        disk = self._disk
        return len(self._memory) + (0 if disk is None else disk.count)

    @property
    def disk_bytes(self) -> int:
        """Of the file on disk, at most disk_limit."""
        return 0 if self._disk is None else used_bytes(self._disk)

    def keep(self, attempt: str, body: bytes) -> None:
        """Behind those that wait."""
        if self._disk is None and self._memory_bytes + len(body) <= self._memory_limit:
            self._memory.append((attempt, body))
            self._memory_bytes += len(body)
            return
        pages = self._disk_limit // PAGE_BYTES
        why = f"memory_limit ({self._memory_limit} bytes) is reached"
        if pages >= SMALLEST_PAGES:
            try:
                if self._disk is None:
                    self._disk = open_disk(pages)
                write(self._disk, attempt, body)
                return
            except OSError as error:
                why += (
                    f", and disk_limit ({self._disk_limit} bytes) too, or the disk refuses: {error}"
                )
                self._close_empty()
        self.dropped += 1
        self._faults.say(
            "spool", f"samples that wait for the monitor are dropped from now on: {why}"
        )

    def first(self, bodies: int, size: int) -> tuple[str, list[bytes]]:
        """Those at the head that are of one attempt, at most so many, and of at most `size` bytes together unless it is one; none
        where nothing waits. They stay until `remove`."""
        if not self._memory:
            self._refill()
        attempt, total = "", 0
        found: list[bytes] = []
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

    def close(self) -> int:
        """Frees memory and disk. Gives how many waited."""
        left = len(self)
        self._memory.clear()
        if self._disk is not None:
            close_disk(self._disk)
            self._disk = None
        return left

    def abandon(self) -> None:
        """Takes the file away, where the thread that uses it has not come to `close`; by any thread."""
        disk = self._disk
        if disk is not None:
            remove_folder(disk.folder)

    def _refill(self) -> None:
        """From disk to memory. There is no file where all of it was read, or cannot be."""
        if self._disk is None:
            return
        try:
            taken = take(self._disk, REFILL_BODIES, REFILL_BYTES)
            self._memory.extend(taken)
            self._memory_bytes += sum(len(body) for _, body in taken)
        except OSError as error:
            self._faults.count("samples that waited on disk cannot be read", error)
            self.dropped += self._disk.count
            self._disk.count = 0
        self._close_empty()

    def _close_empty(self) -> None:
        if self._disk is not None and self._disk.count == 0:
            close_disk(self._disk)
            self._disk = None
