"""What the monitor knows a training by: its run, its attempt and its key, the same on all its ranks. Not how they are sent."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import secrets
import time
import unicodedata
from typing import NamedTuple, Optional

import torch.distributed as dist

from .guard import log

WAIT_SECONDS = 10.0  # for rank 0's names
LONGEST = 120  # characters of a connection's name


class Names(NamedTuple):
    """key: shows whose the run is, and outlives the attempt. place: where the ranks meet in the store of their process group, or empty."""

    run: str
    attempt: str
    key: str
    place: str = ""


def ranks() -> tuple[int, int]:
    """Rank and number of ranks: of the process group, else as torchrun says, else one."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    try:
        return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        return 0, 1


_watched = [0, 0]  # how often: as one of the ranks of a training, as one of several by itself


def names(
    run: Optional[str], attempt: Optional[str], key: Optional[str], rank: int, world_size: int
) -> Names:
    """What is not given follows from what all ranks know (the id of torchrun's job, which a restart keeps; the attempt), else rank 0
    makes it and shares it over the process group's store. An id of SLURM's job is not used: several trainings may run in one job."""
    own_rank, ranks_here = ranks()
    alone = world_size == 1 < ranks_here
    _watched[alone] += 1
    count = _watched[alone]
    job = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    known = job if job != "none" else attempt
    again = f"-rank{own_rank}" if alone else ""
    again += f"-{count}" if count > 1 else ""
    if known is None:
        now = time.strftime("%Y%m%d-%H%M", time.gmtime())
        own = Names(
            f"train-{now}-{secrets.token_hex(2)}", secrets.token_hex(6), secrets.token_hex(16)
        )
    else:
        own = Names(
            _run_name(known, again), secrets.token_hex(6), _digest(f"gainwatch key {known}{again}")
        )
    own = Names(run or own.run, attempt or own.attempt, key or own.key)
    if world_size == 1 or attempt:
        return own
    if not (dist.is_available() and dist.is_initialized()):
        if job != "none":
            restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            restarted = re.sub(r"[^A-Za-z0-9._:-]", "_", f"{job}.{restarts}.{count}")
            return own._replace(attempt=restarted[-64:])
        log.warning(
            "call watch() after init_process_group, or set GAINWATCH_ATTEMPT: the ranks do not know each other's attempt"
        )
        return own
    return _shared(own._replace(place=f"gainwatch/{run or ''}/{count}"), run, rank)


def _shared(own: Names, run: Optional[str], rank: int) -> Names:
    """Rank 0's, over the store of the process group."""
    try:
        store, place = dist.distributed_c10d._get_default_store(), own.place
        store.add(f"{place}/watching", 1)
        if rank == 0:
            store.set(place, json.dumps(own._asdict()))
            return own
        store.wait([place], datetime.timedelta(seconds=WAIT_SECONDS))
        shared = Names(**json.loads(store.get(place)))
        return shared._replace(run=run or shared.run)
    except Exception as error:
        log.warning("rank 0's attempt was not heard of, an own one is used (%s)", error)
        return own


def watching(place: str) -> Optional[int]:
    """On how many ranks `watch` was called, of those that meet there; None where there is no process group. Waits for its store, for a
    moment."""
    if not (place and dist.is_available() and dist.is_initialized()):
        return None
    store = dist.distributed_c10d._get_default_store()
    return int(store.add(f"{place}/watching", 0))


def _run_name(known: str, again: str) -> str:
    """A name of a run made of an id, different for different ones."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", known)
    if name != known or len(name) > 40:
        name = f"{name[:31]}-{_digest(known)[:8]}"
    return f"train-{name}{again}"


def of_connection(name: str) -> str:
    """A connection's name as the monitor takes it: 128 characters with a "#8", none of them a control character, no "@" first."""
    clean = "".join(c if unicodedata.category(c) not in ("Cc", "Cs") else "_" for c in name)
    clean = f"_{clean[1:]}" if clean.startswith("@") else clean
    if len(clean) <= LONGEST:
        return clean
    half = (LONGEST - 12) // 2
    return f"{clean[:half]}…{_digest(repr(name))[:8]}…{clean[-half:]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
