"""A queue of bodies in a SQLite database, in a folder of its own that only this user may read; and what processes that were killed have
left of theirs. Not what is kept in memory, nor in which order (spool.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

PREFIX, FILE = "gainwatch-spool-", "waiting.sqlite3"
PAGE_BYTES = 4096
SMALLEST_PAGES = 4  # of a database with one row
YOUNG_SECONDS = 60.0  # a folder that may not be locked yet


@dataclass
class Disk:
    """An open database, locked while its process lives. count: bodies in it."""

    folder: str
    connection: sqlite3.Connection
    count: int = 0


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What SQLite refuses is an OSError. It is loaded when it is first needed; a Python may be without it."""
    try:
        import sqlite3
    except ImportError as error:
        raise OSError("this Python has no sqlite3") from error
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


@_refusals()
def open_disk(pages: int) -> Disk:
    """An empty one of at most so many pages. Nobody reads it after a crash: no journal on disk, and no waiting for it.

    @raises OSError where the disk refuses
    """
    import sqlite3

    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")  # of mode 0700
    try:
        connection = sqlite3.connect(os.path.join(folder, FILE), isolation_level=None)
        pragmas = (
            f"page_size={PAGE_BYTES}",
            "locking_mode=EXCLUSIVE",
            "journal_mode=MEMORY",
            "synchronous=OFF",
        )
        for pragma in (*pragmas, "temp_store=MEMORY", f"max_page_count={pages}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(
            "CREATE TABLE waiting (place INTEGER PRIMARY KEY AUTOINCREMENT, attempt TEXT NOT NULL, body BLOB NOT NULL)"
        )
    except BaseException:
        remove_folder(folder)
        raise
    return Disk(folder, connection)


@_refusals()
def write(disk: Disk, attempt: str, body: bytes) -> None:
    """Behind the others. @raises OSError where it has no room; the others are as they were"""
    disk.connection.execute("INSERT INTO waiting (attempt, body) VALUES (?, ?)", (attempt, body))
    disk.count += 1


@_refusals()
def take(disk: Disk, bodies: int, size: int) -> list[tuple[str, bytes]]:
    """The first so many, or fewer with at least `size` bytes together, which are no longer on disk. @raises OSError"""
    rows = disk.connection.execute(
        "SELECT place, attempt, body FROM waiting ORDER BY place LIMIT ?", (bodies,)
    )
    with contextlib.closing(rows):
        taken, last, total = [], 0, 0
        for place, attempt, body in rows:
            last = place
            taken.append((attempt, body))
            total += len(body)
            if total >= size:
                break
    disk.connection.execute("DELETE FROM waiting WHERE place <= ?", (last,))
    disk.count -= len(taken)
    return taken


def used_bytes(disk: Disk) -> int:
    """Of the file."""
    return os.path.getsize(os.path.join(disk.folder, FILE))


def close_disk(disk: Disk) -> None:
    """With all that is in it."""
    disk.connection.close()
    remove_folder(disk.folder)


def remove_folder(folder: str) -> None:
    """As far as the system lets it."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Removes the folders of this user's processes that have died: their database is locked by nobody."""
    place = tempfile.gettempdir()
    with contextlib.suppress(OSError):
        for name in os.listdir(place):
            if name.startswith(PREFIX):
                folder = os.path.join(place, name)
                if _is_left(folder):
                    remove_folder(folder)


def _is_left(folder: str) -> bool:
    try:
        about = os.lstat(folder)
        own = not hasattr(os, "getuid") or about.st_uid == os.getuid()
        if (
            not (own and stat.S_ISDIR(about.st_mode))
            or time.time() - about.st_mtime < YOUNG_SECONDS
        ):
            return False
        file = os.path.join(folder, FILE)
        return not os.path.exists(file) or not _is_locked(file)
    except OSError:
        return False


@_refusals()
def _is_locked(file: str) -> bool:
    import sqlite3

    connection = sqlite3.connect(file, timeout=0, isolation_level=None)
    with contextlib.closing(connection):
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:  # by its process; or it cannot be said
            return True
        except sqlite3.DatabaseError:  # half written
            return False
    return False
