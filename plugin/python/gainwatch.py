"""gainwatch: sends what the residual mappings of a hyper-connection model do, from a PyTorch training to `gainwatch serve`.

    monitor = gainwatch.watch(model, url="http://127.0.0.1:9464", run="hc-27b")
    for batch in loader:
        loss = train_step(batch)
        monitor.step(loss)
    monitor.close()

The training thread samples the same tokens in every connection and copies them without waiting; a background thread does the
rest. After `watch` has accepted its arguments nothing here raises into the training: faults are counted and logged once each.
Matrices act as out_i = sum_j H[i, j] x_j ("H"); a module that applies the transposed of what it stores is "comb".
"""
from __future__ import annotations

import atexit
import ctypes
import datetime
import email.utils
import gzip
import hashlib
import http.client
import inspect
import json
import logging
import math
import os
import queue
import random
import re
import secrets
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import types
from collections import deque
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import quote, urlsplit

import torch
import torch.distributed as dist

__version__ = "0.1.0"
__all__ = ["Monitor", "watch"]
log = logging.getLogger("gainwatch")

FLUSH_SECONDS, BACKOFF_SECONDS = 0.5, 30.0
TIMEOUT_SECONDS = 30.0  # of one request: the monitor waits 20 s for other ranks and its disk before it answers
MAX_RETRY_AFTER_SECONDS = 300.0  # our choice: a Retry-After beyond is a mistake
TAKEN_ASK_SECONDS, TAKEN_SECONDS = 10.0, 120.0  # while the run goes on in another training: how often it is asked for, and how long
LAST_TRY_SECONDS = 1.0  # of drain_seconds, kept for a last try
BATCH_BODIES, BATCH_BYTES = 256, 8 << 20  # of one request: half of what the monitor takes
MAX_ANSWER_BYTES = 4 << 20  # more is read by nobody
REFUSED = (400, 409, 413, 415, 422)  # of no use to send again
CHECK_TOKENS, CHECKS = 8, 12  # tokens per connection and attempts of the self-check, at the watched steps 1, 2, 4, 8, ...
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ATTEMPT = re.compile(r"[A-Za-z0-9._:-]{1,64}")
KEY = re.compile(r"[A-Za-z0-9._:-]{8,128}")
TOKEN = re.compile(r"[\x21-\x7e]+")


def watch(
    model: Any,
    *,
    url: Optional[str] = None,
    run: Optional[str] = None,
    matcher: Optional[Callable[[str, Any], Any]] = None,
    orientation: str = "H",
    optimizer: Any = None,
    tokens: int = 32,
    every: int = 1,
    stage: int = 0,
    stages: int = 1,
    replica: Optional[int] = None,
    rank: Optional[int] = None,
    world_size: Optional[int] = None,
    attempt: Optional[str] = None,
    key: Optional[str] = None,
    token: Optional[str] = None,
    memory_limit: int = 64 << 20,
    disk_limit: int = 1 << 30,
    drain_seconds: float = 10.0,
    **unknown: Any,
) -> Monitor:
    """Finds the connections of `model` and sends their mappings to `url` (GAINWATCH_URL, or http://127.0.0.1:9464).

    run: its name (GAINWATCH_RUN, or one of its own like train-20261130-0551-3f9c). key: 8 to 128 of A-Z a-z 0-9 . _ : - that show whose
    the run is (GAINWATCH_KEY, or a random one); `monitor.run` and `monitor.key`, kept in the checkpoint, let what resumes go on in it.
    matcher(name, module) is asked after each forward of each module and returns its mapping, a tensor [..., n, n] (or [n, n]) in
    `orientation`, or None; known modules are then not looked for. tokens: sampled per step. every: steps between two that are
    sent. memory_limit, disk_limit: bytes that wait while the monitor does not answer, first in memory, then in a temporary file.
    Raises ValueError naming the argument, its rule and its value, also where the model has no connection that is known.
    """
    for name in unknown:  # its value may be a secret
        raise ValueError(f"{name}: no such option of gainwatch.watch (given {type(unknown[name]).__name__})")
    url = url or os.environ.get("GAINWATCH_URL") or "http://127.0.0.1:9464"
    url = url.strip() if isinstance(url, str) else url
    broken = _address_rule(url)
    if broken:
        shown = re.sub(r"[?#].*", lambda found: f"{found[0][0]}…", re.sub(r".*@", "…@", url, flags=re.DOTALL), flags=re.DOTALL) if isinstance(url, str) else type(url).__name__
        raise ValueError(f"url: {broken} (given {shown!r})")
    run = run if run is not None else os.environ.get("GAINWATCH_RUN") or None
    _rule(run is None or (isinstance(run, str) and RUN.fullmatch(run)), "run", "must be 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit", run)
    _rule(orientation in ("H", "comb"), "orientation", "must be 'H' or 'comb'", orientation)
    _rule(matcher is None or callable(matcher), "matcher", "must be a function of (name, module)", matcher)
    default_rank, default_world = _ranks()
    rank, world_size = default_rank if rank is None else rank, default_world if world_size is None else world_size
    for name, value, low, high in (
        ("tokens", tokens, 1, 4096), ("every", every, 1, 1 << 31), ("stages", stages, 1, 65536), ("stage", stage, 0, stages - 1),
        ("world_size", world_size, 1, 1 << 31), ("rank", rank, 0, world_size - 1), ("replica", replica, 0, 1 << 31),
        ("memory_limit", memory_limit, 0, 1 << 60), ("disk_limit", disk_limit, 0, 1 << 60), ("drain_seconds", drain_seconds, 0, 3600),
    ):  # fmt: skip
        whole, kinds = ("", (int, float)) if name == "drain_seconds" else ("a whole number from ", int)
        _rule((name == "replica" and value is None) or (isinstance(value, kinds) and low <= value <= high), name, f"must be {whole}{low} to {high}", value)
    _rule(hasattr(model, "named_modules"), "model", "must be a torch.nn.Module", type(model).__name__)
    attempt = attempt or os.environ.get("GAINWATCH_ATTEMPT")
    _rule(attempt is None or (isinstance(attempt, str) and ATTEMPT.fullmatch(attempt)), "attempt", "must be 1 to 64 of A-Z a-z 0-9 . _ : -", attempt)
    key = key or os.environ.get("GAINWATCH_KEY") or None
    _rule(key is None or (isinstance(key, str) and KEY.fullmatch(key)), "key", "must be 8 to 128 of A-Z a-z 0-9 . _ : -", _Secret(key))
    token = _token(token)
    sampler = _Sampler(tokens, every)
    connections = [] if matcher else _find(model, sampler)
    _rule(matcher is not None or connections, "model", "holds no connection that is known; name one by matcher=lambda name, module: tensor", type(model).__name__)
    identity = {"rank": rank, "world_size": world_size, "stage": stage, "stages": stages, **({} if replica is None else {"replica": replica})}
    names = _names(run, attempt, key, rank, world_size)
    sender = _Sender(url.rstrip("/"), names.run, token, identity, memory_limit, disk_limit, names.key)
    monitor = Monitor(sampler, sender, connections, optimizer, names.attempt, drain_seconds)
    if matcher:
        _match(model, matcher, orientation, sampler, connections)
    some = ", ".join(c.name for c in connections[:3]) + (", …" if len(connections) > 3 else "")
    log.info("run %s: %s to %s", names.run, "connections are found by the matcher" if matcher else f"{len(connections)} connections ({some})", url)
    return monitor


def _address_rule(url: Any) -> str:
    """What is wrong with an address, without what it holds; empty: nothing."""
    rule = "must be http://host:port or https://…"
    if not isinstance(url, str):
        return rule
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:  # .port raises where it is none
            return rule
    except ValueError:
        return rule
    if "@" in parts.netloc:
        return f"{rule}, without user and password: give token= (GAINWATCH_TOKEN)"
    if "?" in url or "#" in url:
        return f"{rule}, without what follows ? or #: give token= (GAINWATCH_TOKEN) and run="
    # What urlsplit, http.client and a proxy might read differently is no address.
    return "" if re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d*)?(/[!-~]*)?", url, re.IGNORECASE) and "\\" not in url else rule


def _without_secrets(text: str) -> str:
    """Without what looks like a login or a token in it."""
    text = re.sub(r"//[^/\s]*@", "//…@", text)
    text = re.sub(r"(?i)\b((?:\w*token|password|secret)=)[^&#\s\"'<>]+", r"\1…", text)
    return re.sub(r"(?i)\b(bearer\s+)[!-~]{8,}", r"\1…", text)


class _Secret:
    """Of what is given, only how long it is."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"a text of {len(self._value)}" if isinstance(self._value, str) else type(self._value).__name__


def _token(token: Any) -> Optional[str]:
    """The option's, or GAINWATCH_TOKEN, or what is in the file of GAINWATCH_TOKEN_FILE; none of its text is in the ValueError."""
    field = "token" if token else "GAINWATCH_TOKEN"
    token = token or os.environ.get("GAINWATCH_TOKEN") or None
    if token is None and os.environ.get("GAINWATCH_TOKEN_FILE"):
        field = "GAINWATCH_TOKEN_FILE"
        try:
            with open(os.environ[field], encoding="utf-8") as file:
                token = file.read().strip()
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                    log.warning("%s: others on this machine may read %s: chmod 600", field, os.environ[field])
        except OSError as error:
            raise ValueError(f"{field}: must be a file that can be read ({error})") from None
        except UnicodeDecodeError:
            raise ValueError(f"{field}: must be a file of text") from None
    rule = "must be printable ASCII without spaces and line ends"
    _rule(token is None or (isinstance(token, str) and TOKEN.fullmatch(token)), field, rule, _Secret(token))
    return token


def _rule(holds: Any, field: str, rule: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"{field}: {rule} (given {value!r})")


def _ranks() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    try:
        return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        return 0, 1


class _Names(NamedTuple):
    """What the monitor knows this training by, the same on all its ranks. key: shows whose the run is, and outlives the attempt."""

    run: str
    attempt: str
    key: str


_watched = 0


def _names(run: Optional[str], attempt: Optional[str], key: Optional[str], rank: int, world_size: int) -> _Names:
    """What is not given follows from what all ranks know (the id of torchrun's job, which a restart keeps; the attempt), else rank 0 makes
    it and shares it over the process group's store (waited for 10 s at most, then an own one is used). An id of SLURM's job is not used:
    several trainings may run in one job."""
    global _watched
    _watched += 1
    job = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    known = job if job != "none" else attempt
    again = f"-{_watched}" if _watched > 1 else ""
    if known is None:
        own = _Names(f"train-{time.strftime('%Y%m%d-%H%M', time.gmtime())}-{secrets.token_hex(2)}", secrets.token_hex(6), secrets.token_hex(16))
    else:
        own = _Names(_run_name(known, again), secrets.token_hex(6), hashlib.sha256(f"gainwatch key {known}{again}".encode()).hexdigest())
    own = _Names(run or own.run, attempt or own.attempt, key or own.key)
    if world_size == 1 or attempt:
        return own
    if not (dist.is_available() and dist.is_initialized()):
        if job != "none":
            restarted = re.sub(r"[^A-Za-z0-9._:-]", "_", f"{job}.{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}.{_watched}")[-64:]
            return own._replace(attempt=restarted)
        log.warning("call watch() after init_process_group, or set GAINWATCH_ATTEMPT: the ranks do not know each other's attempt")
        return own
    try:
        store, place = dist.distributed_c10d._get_default_store(), f"gainwatch/{run or ''}/{_watched}"
        if rank == 0:
            store.set(place, json.dumps(own._asdict()))
            return own
        store.wait([place], datetime.timedelta(seconds=10))
        names = _Names(**json.loads(store.get(place)))
        return names._replace(run=run or names.run)
    except Exception as error:
        log.warning("rank 0's attempt was not heard of, an own one is used (%s)", error)
        return own


def _run_name(known: str, again: str) -> str:
    """A name of a run made of an id, different for different ones."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", known)
    if name != known or len(name) > 48:
        name = f"{name[:39]}-{hashlib.sha256(known.encode()).hexdigest()[:8]}"
    return f"train-{name}{again}"


# --- sampling, on the training thread ---------------------------------------------------------------------------------------------


class _Connection:
    """One connection: where its mapping was last seen, and how it is stored."""

    def __init__(self, name: str, kind: str, orientation: str, convention: Optional[str] = None, n: int = 0, parameters: Callable[[], Any] = tuple) -> None:
        self.name, self.kind, self.orientation, self.convention, self.n = name, kind, orientation, convention, n
        self.parameters, self.unmixed = parameters, False  # asked for, not kept: FSDP replaces them
        self.seen = False  # in this step: what comes again in it (recomputation, micro-batches) is ignored
        self.sample: Any = None  # [S, n, n]
        self.tokens: tuple = ()
        self.streams: Any = None  # [CHECK_TOKENS, n, d], for the self-check
        # Under torch.compile no Python runs in a step: the graph itself writes [S, n, n] here, and counts.
        self.buffer: Any = None
        self.count: Any = None


class _Facts:
    """What holds for many steps of the same connections, made once."""

    def __init__(self, connections: list[_Connection]) -> None:
        self.connections, self.looked = connections, False
        self.order = [c.name for c in connections]
        self.comb = [c.orientation == "comb" for c in connections]
        lists = {"order": self.order, "kinds": [c.kind for c in connections], "conventions": [c.convention for c in connections]}
        self.metadata = {"orientation": "H", **{key: json.dumps(value, separators=(",", ":")) for key, value in lists.items()}}
        parameters = [float(sum(map(_bytes, c.parameters()))) for c in connections]
        self.memory = struct.pack(f"<{5 * len(parameters)}f", *parameters, *[math.nan] * (4 * len(parameters)))
        self._shapes: Any = None
        self._tensors = ""

    def look(self, mappings: list) -> None:
        """A block written as DeepSeek's need not have its Sinkhorn: what has entries below 0 is no mHC."""
        self.looked = True
        for connection, mapping in zip(self.connections, mappings):
            if connection.kind == "mhc" and bool((mapping < -1e-3).any()):
                connection.kind = "hc"
        self.metadata["kinds"] = json.dumps([c.kind for c in self.connections], separators=(",", ":"))

    def tensors(self, shapes: list) -> str:
        """The header's entries, without the braces."""
        if shapes != self._shapes:
            entries, at = {}, 0
            for name, shape in zip(self.order, shapes):
                size = 4 * math.prod(shape)
                entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
                at += size
            entries["@memory"] = {"dtype": "F32", "shape": [5, len(self.order)], "data_offsets": [at, at + len(self.memory)]}
            self._shapes, self._tensors = shapes, json.dumps(entries, separators=(",", ":"))[1:-1]
        return self._tensors


class _Sampler:
    """Chooses the tokens and takes them out of the mappings. Nothing here waits for the device."""

    def __init__(self, tokens: int, every: int) -> None:
        self.tokens, self.every = tokens, every
        self.step, self.ended = 1, 0  # the step in progress; how many have ended
        self.watched = 0
        self.order: list[_Connection] = []  # as they ran in this step
        self.checking = True
        self.seconds, self.errors = 0.0, 0
        self.active, self.closed, self.compiled = True, False, False
        self.uniform: dict = {}  # device -> [S] float64 in [0, 1), what compiled graphs read
        self._plans: dict = {}
        self._said: set = set()
        self._undo: list[Callable[[], None]] = []

    def next(self, step: int) -> None:
        self.ended += 1
        self.step, self.active = step, self.ended % self.every == 0
        for connection in self.order:
            connection.seen = False
        self.order, self._plans, self.checking = [], {}, _checks(self.watched)
        if self.compiled:
            for device, uniform in self.uniform.items():
                uniform.copy_(self._draw(device), non_blocking=True)

    def positions(self, count: int) -> tuple:
        """Tokens of this step among `count`, rising, one in each of equal strata: the same in all connections and ranks."""
        size = min(self.tokens, count)
        draw = random.Random(self.step).random
        return tuple(range(count)) if size == count else tuple(min(count - 1, int((i + draw()) * count / size)) for i in range(size))

    def _draw(self, device: Any) -> Any:
        draw = random.Random(self.step).random
        return _to(torch.tensor([draw() for _ in range(self.tokens)], dtype=torch.float64), device)

    def plan(self, shape: tuple, device: Any) -> tuple[tuple, tuple, Any]:
        """For mappings of this shape in this step: them as rows of matrices, the positions, and these on the device."""
        positions = self.positions(math.prod(shape[:-2]))
        plan = self._plans[shape, device] = (-1, *shape[-2:]), positions, _to(torch.tensor(positions), device)
        return plan

    def prepare(self, connection: _Connection, like: Any) -> None:
        """Room for what a compiled graph writes, on the device of a parameter."""
        device = like.device
        if device.type == "meta":
            return
        if device not in self.uniform:
            self.uniform[device] = self._draw(device)
        connection.buffer = torch.zeros(self.tokens, connection.n, connection.n, dtype=torch.float32, device=device)
        connection.count = torch.zeros(1, dtype=torch.int64, device=device)

    def record(self, connection: _Connection, mapping: Any, streams: Callable[[], Any]) -> None:
        """Keeps the sampled tokens of `mapping` [..., n, n]; `streams` makes its input [tokens, n, d], or None. Each operation and each
        line counts here: they run cold, between the training's own."""
        if not self.active or self.closed or connection.seen:
            return
        started = time.perf_counter()
        try:
            if hasattr(mapping, "to_local"):
                mapping = mapping.to_local()
            key = (mapping.shape, mapping.device)
            rows, connection.tokens, index = self._plans.get(key) or self.plan(*key)
            connection.n = rows[-1]
            flat = mapping.detach().reshape(rows)
            sample = flat.index_select(0, index)
            connection.sample = sample if sample.dtype is torch.float32 else sample.float()
            if self.checking:
                x = streams()
                if x is not None and (flat.shape[0] == 1 or x.shape[0] == flat.shape[0]):
                    connection.streams = x.detach()[index[:CHECK_TOKENS]] if flat.shape[0] > 1 else x.detach()[:CHECK_TOKENS].clone()
            connection.seen = True
            self.order.append(connection)
        except Exception as error:
            self.fault(f"{connection.name}: its mapping could not be read", error)
        self.seconds += time.perf_counter() - started

    def traced(self, connection: _Connection, mapping: Any) -> None:
        """`record` for a graph of torch.compile: only tensor operations, the first micro-batch of a step stays."""
        with torch.no_grad():
            n = mapping.shape[-1]
            flat = mapping.detach().reshape(-1, n, n)
            uniform = self.uniform[connection.buffer.device]
            strata = torch.arange(self.tokens, device=flat.device, dtype=torch.float64)
            index = ((strata + uniform) * (flat.shape[0] / self.tokens)).long().clamp(max=flat.shape[0] - 1)
            fresh = flat.index_select(0, index).float()
            connection.buffer.copy_(torch.where(connection.count == 0, fresh, connection.buffer))
            connection.count.add_(1)

    def see(self, connection: _Connection, module: Any, mapping: Any, streams: Callable[[], Any]) -> None:
        if not module.training:
            return
        if not _compiling():
            self.record(connection, mapping, streams)
        elif connection.buffer is not None:
            self.traced(connection, mapping)

    def fault(self, what: str, error: Any) -> None:
        self.errors += 1
        self.say(what, f"{what}: {type(error).__name__}: {error}")

    def say(self, key: str, what: str) -> None:
        if key not in self._said:
            self._said.add(key)
            log.warning("%s", what)

    def replace(self, target: Any, name: str, value: Any) -> None:
        """Sets an attribute until `restore`."""
        had, old = name in vars(target), vars(target).get(name)
        setattr(target, name, value)
        self._undo.append(lambda: setattr(target, name, old) if had else delattr(target, name))

    def wrap(self, module: Any, name: str, method: Callable) -> None:
        """Has `method` run in place of the module's own. A deep copy (an EMA, a teacher) runs its own, with its own weights, unwatched."""

        def own(its: Any, *args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs) if its is module else getattr(type(its), name)(its, *args, **kwargs)

        own.__name__ = name  # by which it is pickled
        self.replace(module, name, types.MethodType(own, module))

    def hook(self, handle: Any) -> None:
        self._undo.append(handle.remove)

    def restore(self) -> None:
        while self._undo:
            self._undo.pop()()


_compiling = getattr(getattr(torch, "compiler", None), "is_compiling", lambda: False)


def _checks(watched: int) -> bool:
    """At the watched steps 1, 2, 4, 8, …"""
    return watched & (watched + 1) == 0 and watched < (1 << CHECKS)


def _to(tensor: Any, device: Any) -> Any:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


# --- adapters: what is known of the packages --------------------------------------------------------------------------------------


def _find(model: Any, sampler: _Sampler) -> list[_Connection]:
    found: list[_Connection] = []
    for name, module in model.named_modules():
        name = re.sub(r"(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|module)(?=\.|$)", "", name).lstrip(".") or "connection"
        try:
            for adapter in (_lucidrains, _deepseek, _hugging_face, _megatron):
                made = adapter(name, module, sampler)
                if made:
                    found += made
                    break
        except Exception as error:
            sampler.fault(f"{name}: cannot be watched", error)
    return found


def _own_parameters(module: Any) -> list:
    return [p for name, p in module.named_parameters() if not name.startswith("branch.")]


def _bytes(parameter: Any) -> int:
    """Of what this rank holds of it."""
    own = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return own.numel() * own.element_size()


class _Tap:
    """The last mapping that went through a package's `einsum` while a connection of it ran."""

    armed, mapping, pattern = False, None, ""


def _lucidrains(name: str, module: Any, sampler: _Sampler) -> list[_Connection]:
    """lucidrains/hyper-connections 0.1 to 0.4, HC and mHC: alpha [..., s, v + s] is local to width_connection, and is what its last
    einsum mixes the streams with; out_t = sum_s alpha[s, t] x_s, transposed. Streams [(b s), ..., d]."""
    n = getattr(module, "num_residual_streams", 0)
    if not n or not hasattr(module, "static_alpha") or not hasattr(module, "width_connection"):
        return []
    if getattr(module, "num_fracs", 1) != 1:
        log.warning("%s: fractions (num_fracs %s) are not watched", name, module.num_fracs)
        return []
    kind = "mhc" if hasattr(module, "residual_mix_constraint_fn") or "Manifold" in type(module).__name__ else "hc"
    connection = _Connection(name, kind, "comb", None, n, lambda: _own_parameters(module))
    sampler.prepare(connection, _own_parameters(module)[0])
    package = sys.modules[type(module).width_connection.__module__]  # the class may be another's: FSDP2 makes one
    tap = getattr(package.einsum, "gainwatch", None)
    if tap is None:
        tap, einsum = _Tap(), package.einsum

        def tapped(*args: Any) -> Any:
            if tap.armed:
                tap.mapping, tap.pattern = args[0], args[-1]
            return einsum(*args)

        tapped.gainwatch = tap  # type: ignore[attr-defined]
        sampler.replace(package, "einsum", tapped)
    original = module.width_connection
    channels = getattr(module, "channel_first", False)

    def streams(x: Any) -> Any:
        x = x.unflatten(0, (-1, n))
        if channels or tap.pattern.startswith("b s t"):
            x = x.movedim(2, -1)
        return x.movedim(1, -2).flatten(0, -3)

    def unmixed() -> None:
        if not connection.unmixed and not _compiling():
            connection.unmixed = True
            sampler.say("unmixed", "this version of hyper-connections does not apply H_res (the streams go on unmixed; mended in 0.3.12): the identity is sent")

    def width_connection(residuals: Any, *args: Any, **kwargs: Any) -> Any:
        tap.armed = True
        try:
            out = original(residuals, *args, **kwargs)
        finally:
            tap.armed = False
        alpha, tap.mapping = tap.mapping, None
        if alpha is not None:
            alpha = alpha.movedim((1, 2), (-2, -1)) if tap.pattern.startswith("b s t") else alpha
            views = alpha.numel() // (residuals.numel() // residuals.shape[1 if channels else -1]) - n if not tap.pattern.startswith("b s t") else 1
            mapping = alpha.reshape(-1, n, views + n)[..., views:]
            if out[1] is residuals:  # versions before 0.3.12: H_res is worked out, and then the streams go on unmixed
                unmixed()
                mapping = (mapping * 0).nan_to_num() + torch.eye(n, dtype=mapping.dtype, device=mapping.device)
            sampler.see(connection, module, mapping, lambda: streams(residuals))
        return out

    sampler.wrap(module, "width_connection", width_connection)
    return [connection]


def _deepseek(name: str, module: Any, sampler: _Sampler) -> list[_Connection]:
    """DeepSeek's blocks: parameters hc_*_fn [(2 + n) n, n d], hc_*_base, hc_*_scale and a method hc_pre(x [b, s, n, d], hc_fn, …) that
    returns (y, post, comb); comb [b, s, n, n] is applied transposed."""
    parameters = dict(module.named_parameters(recurse=False))
    kinds = [key[:-3] for key in parameters if re.fullmatch(r"hc_\w+_fn", key) and f"{key[:-3]}_base" in parameters and f"{key[:-3]}_scale" in parameters]
    made: dict[str, _Connection] = {}
    for key in kinds:
        rows = parameters[f"{key}_base"].numel()
        n = math.isqrt(rows + 1) - 1  # rows = n^2 + 2n
        if n * n + 2 * n == rows and n > 1:
            made[key] = _Connection(f"{name}.{key[3:]}", "mhc", "comb", "deepseek", n, lambda key=key: [getattr(module, f"{key}_{part}") for part in ("fn", "base", "scale")])
            sampler.prepare(made[key], parameters[f"{key}_fn"])
    if not made or not hasattr(module, "hc_pre"):
        return []
    original = module.hc_pre

    def of(given: tuple) -> Optional[_Connection]:
        for key, connection in made.items():
            fn = getattr(module, f"{key}_fn")
            if any(value is fn for value in given):
                return connection
        return None

    def hc_pre(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = original(x, *args, **kwargs)
        connection = of((*args, *kwargs.values()))
        if connection:
            comb = next(t for t in reversed(out) if t.dim() >= 2 and t.shape[-1] == t.shape[-2] == connection.n)
            sampler.see(connection, module, comb, lambda: x.flatten(0, -3))
        return out

    sampler.wrap(module, "hc_pre", hc_pre)
    return list(made.values())


def _hugging_face(name: str, module: Any, sampler: _Sampler) -> list[_Connection]:
    """transformers' DeepseekV4HyperConnection: forward(x [b, s, n, d]) returns (post, comb [b, s, n, n], collapsed), applied transposed."""
    n = getattr(module, "hc_mult", 0)
    if not n or not all(hasattr(module, part) for part in ("fn", "base", "scale")):
        return []
    connection = _Connection(name, "mhc", "comb", "deepseek", n, lambda: (module.fn, module.base, module.scale))
    sampler.prepare(connection, module.fn)

    def hook(its: Any, args: tuple, out: tuple) -> None:
        if its is module:  # a deep copy has the hook too
            sampler.see(connection, module, out[1], lambda: args[0].flatten(0, -3))

    sampler.hook(module.register_forward_hook(hook))
    return [connection]


def _megatron(name: str, module: Any, sampler: _Sampler) -> list[_Connection]:
    """Megatron's HyperConnectionModule: compute_mappings(x [s, b, n C]) returns (h_pre, h_post, h_res [s, b, n, n]). main applies h_res
    as it is, dev transposed: apply_h_res tells."""
    if not all(hasattr(module, part) for part in ("compute_mappings", "apply_h_res", "mapping_proj", "n")):
        return []
    n = module.n
    connection = _Connection(name, "mhc", _megatron_orientation(module), None, n, module.parameters)
    sampler.prepare(connection, module.mapping_proj.weight)
    original = module.compute_mappings

    def compute_mappings(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = original(x, *args, **kwargs)
        sampler.see(connection, module, out[2], lambda: x.reshape(-1, n, x.shape[-1] // n))
        return out

    sampler.wrap(module, "compute_mappings", compute_mappings)
    return [connection]


def _megatron_orientation(module: Any) -> str:
    """Sends stream 0 to stream 1 by h[1, 0] = 1 and looks where it arrives."""
    weight, n = module.mapping_proj.weight, module.n
    try:
        with torch.no_grad():
            h = torch.zeros(1, 1, n, n, device=weight.device, dtype=weight.dtype)
            x = torch.zeros(1, 1, n, module.hidden_size, device=weight.device, dtype=weight.dtype)
            h[..., 1, 0], x[..., 0, :] = 1, 1
            return "H" if float(module.apply_h_res(h, x.flatten(2)).reshape(n, -1)[1, 0]) == 1 else "comb"
    except Exception:
        return "comb" if ".transpose(" in inspect.getsource(type(module).apply_h_res) else "H"


def _match(model: Any, matcher: Callable, orientation: str, sampler: _Sampler, connections: list[_Connection]) -> None:
    """A forward hook on every module; those for which the matcher has nothing in the first step lose theirs."""
    known: dict[str, _Connection] = {}

    def attach(name: str, module: Any) -> None:
        def hook(its: Any, args: tuple, out: Any) -> None:
            if its is not module or not sampler.active or sampler.closed or not module.training:
                return
            try:
                mapping = matcher(name, module)
                if mapping is None:
                    if sampler.watched > 0 and name not in known:
                        handle.remove()
                    return
                if mapping.dim() < 2 or mapping.shape[-1] != mapping.shape[-2]:
                    raise ValueError(f"must be [..., n, n], not {list(mapping.shape)}")
                if name not in known:
                    known[name] = _Connection(name or "connection", "own", orientation, None, 0, lambda: _own_parameters(module))
                    connections.append(known[name])
                sampler.record(known[name], mapping, lambda: _streams(args[0], mapping) if args else None)
            except Exception as error:
                sampler.errors += 1
                sampler.say("matcher", f"{name or 'connection'}: what the matcher returned cannot be used (said once): {type(error).__name__}: {error}")

        compiler = getattr(torch, "compiler", None)
        handle = module.register_forward_hook(compiler.disable(hook) if hasattr(compiler, "disable") else hook)
        sampler.hook(handle)

    for name, module in model.named_modules():
        attach(name, module)


def _streams(x: Any, mapping: Any) -> Any:
    """x as [tokens, n, d] where its layout is [..., n, d], [..., n d] or [(b n), ..., d]; None where it is none of these."""
    n, lead = mapping.shape[-1], tuple(mapping.shape[:-2])
    if not hasattr(x, "shape") or x.dim() < 2:
        return None
    if x.shape[-2] == n and (not lead or tuple(x.shape[:-2]) == lead):
        return x.reshape(-1, n, x.shape[-1])
    if lead and tuple(x.shape[:-1]) == lead and x.shape[-1] % n == 0:
        return x.reshape(-1, n, x.shape[-1] // n)
    if lead and tuple(x.shape[:-1]) == (lead[0] * n, *lead[1:]):
        return x.unflatten(0, (-1, n)).movedim(1, -2).flatten(0, -3)
    return None


# --- the monitor: one record per step ---------------------------------------------------------------------------------------------


class Monitor:
    """What `watch` returns. `step` after each optimizer step, `close` at the end; a context manager closes with the right outcome.

    orientation and streams are the self-check's findings: "as given", "transposed", "undetermined"; "apart", "collapsed", "undetermined".
    """

    def __init__(self, sampler: _Sampler, sender: _Sender, connections: list, optimizer: Any, attempt: str, drain_seconds: float) -> None:
        self._sampler, self._sender, self._connections, self._optimizer = sampler, sender, connections, optimizer
        self._base, self._attempt, self._attempts = attempt, attempt, 0
        self._last, self._stepped, self._drain, self._pid = 0, time.perf_counter(), drain_seconds, os.getpid()
        self._stream: Any = None
        self._described: list = []
        self._check = sender.check
        sender.counters = lambda: {"overhead_seconds": sampler.seconds, "samples_dropped": sender.dropped, "errors": sampler.errors + sender.errors}
        sender.fault = sampler.fault
        self.closed = False
        atexit.register(self._exit)
        sender.start()

    @property
    def orientation(self) -> str:
        return self._check.orientation

    @property
    def streams(self) -> str:
        return self._check.streams

    @property
    def attempt(self) -> str:
        return self._attempt

    @property
    def run(self) -> str:
        """Its name, which is another than asked for where that run went on in another training."""
        return self._sender.run_name

    @property
    def key(self) -> str:
        """To be kept with the checkpoint: `watch(key=…, run=…)` of what resumes goes on in the same run at once."""
        return self._sender.key

    @property
    def counters(self) -> dict:
        """overhead_seconds on the training thread, samples_dropped, errors, acknowledged."""
        return {**self._sender.counters(), "acknowledged": self._sender.acknowledged}

    def step(self, loss: Any = None, *, step: Optional[int] = None, learning_rate: Any = None, gradient_norm: Any = None) -> None:
        """Ends a training step. Numbers or tensors of one element; tensors on a GPU are read later. `step` counts by itself."""
        if self.closed:
            return
        started, sampler = time.perf_counter(), self._sampler
        if os.getpid() != self._pid:  # no thread has come along, and its lock may be held
            sampler.say("fork", "this process was forked after watch(), and sends nothing: call watch() in the process that trains")
            return
        try:
            number = self._last + 1 if step is None else int(step)
            if number <= self._last or number < 0:
                self._attempts += 1
                self._attempt = f"{self._base[:56]}.{self._attempts}"
            if sampler.active:
                rate = learning_rate if learning_rate is not None or self._optimizer is None else self._optimizer.param_groups[0]["lr"]
                scalars = {"loss": loss, "learning_rate": rate, "gradient_norm": gradient_norm}
                self._send(number, scalars, started - self._stepped)
            self._last = number
        except Exception as error:
            sampler.fault("a step could not be recorded", error)
        try:
            sampler.next(self._last + 1)
        except Exception as error:
            sampler.fault("the next step's tokens could not be drawn", error)
        now = time.perf_counter()
        sampler.seconds += now - started
        self._stepped = now

    def _send(self, number: int, scalars: dict, seconds: float) -> None:
        sampler = self._sampler
        seen = sampler.order
        if not seen:  # all of it compiled, in the order of their registration
            seen = [c for c in self._connections if c.buffer is not None]
            for connection in seen:
                connection.tokens, connection.sample = (), connection.buffer.clone()
            sampler.compiled = True
        if not seen:
            sampler.fault("no connection ran in this step", RuntimeError("is the model in training mode, and is it the model that was given?"))
            return
        compiled = not sampler.order
        first = seen[0].sample
        if sampler.watched == 0:
            self._sender.describe([c.name for c in seen], [c.kind for c in seen], [c.convention for c in seen], seen[0].n, sampler.tokens)
        if seen != self._described:
            self._described, self._facts = seen, _Facts(seen)
        record: dict = {
            "step": number, "attempt": self._attempt, "time": int(time.time() * 1000), "step_seconds": seconds,
            "facts": self._facts, "tokens": seen[0].tokens, "shapes": [c.sample.shape for c in seen],
        }  # fmt: skip
        if compiled:
            record["counts"] = [c.count.clone() for c in seen]
            for connection in seen:
                connection.count.zero_()
        if any(c.tokens != seen[0].tokens for c in seen):
            record["tokens"] = ()
        record["streams"] = [c.streams for c in seen] if sampler.checking else None
        for key, value in scalars.items():  # FSDP2's gradient norm is a DTensor; to make it whole would wait for ranks that may not watch
            if hasattr(value, "to_local"):
                scalars[key] = value.to_local() if all(p.is_replicate() for p in value.placements) else None
                if scalars[key] is None:
                    sampler.say(key, f"{key}: is a part of a DTensor on each rank, and is left out: give {key}.full_tensor()")
        names = [key for key, value in scalars.items() if hasattr(value, "detach") and value.device.type != "cpu"]
        record["scalars"] = {key: float(value.detach() if hasattr(value, "detach") else value) for key, value in scalars.items() if value is not None and key not in names}
        record["late"] = names
        parts = [c.sample for c in seen] + [scalars[key].detach().float().reshape(1) for key in names]
        record["parts"] = parts
        if first.device.type == "cuda":
            self._copy(record, parts)
        for connection in seen:
            connection.sample = connection.streams = None
        sampler.watched += 1
        self._sender.put(record, sum(p.numel() for p in parts) * 4)

    def _copy(self, record: dict, parts: list) -> None:
        """From the device to pinned memory on a stream of its own; the background thread waits for the event."""
        flat = torch.cat([p.reshape(-1) for p in parts])
        self._stream = self._stream or torch.cuda.Stream(flat.device)
        self._stream.wait_stream(torch.cuda.current_stream(flat.device))
        pinned = self._sender.pinned(flat.numel())
        with torch.cuda.stream(self._stream):
            pinned.copy_(flat, non_blocking=True)
            record["event"] = torch.cuda.Event(blocking=True)
            record["event"].record()
        flat.record_stream(self._stream)
        record["parts"], record["pinned"], record["memory"] = [], pinned, {"allocated": torch.cuda.memory_allocated(flat.device)}

    def close(self, outcome: str = "completed") -> None:
        """Sends what waits (drain_seconds at most), tells the monitor the outcome (completed, interrupted, failed, unknown), takes the hooks off."""
        if self.closed or os.getpid() != self._pid:
            return
        self.closed = self._sampler.closed = True
        try:
            self._sampler.restore()
            self._sender.close(outcome if outcome in ("completed", "interrupted", "failed", "unknown") else "unknown", self._attempt, self._drain)
            atexit.unregister(self._exit)
        except Exception as error:
            self._sampler.fault("the monitor could not be closed", error)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.close("completed" if kind is None else _outcome(kind))

    def _exit(self) -> None:
        """The script ended without close(): by an exception that the interpreter has printed, or it is not known how."""
        kind = getattr(sys, "last_type", None)
        self.close("unknown" if kind is None else _outcome(kind))


def _outcome(kind: type) -> str:
    return "interrupted" if issubclass(kind, KeyboardInterrupt) else "failed"


# --- the self-check ---------------------------------------------------------------------------------------------------------------


class _Check:
    """x' - H x has rank 1 (post times the branch's output) if H is the mapping, and not if it is transposed: no adapter needs to show
    more than its input. Symmetric mappings (as at HC's start) leave it open, so it is asked again at steps 2, 4, 8, …"""

    def __init__(self) -> None:
        self.orientation = self.streams = "undetermined"
        self.flip = False
        self._looked = 0

    def look(self, mappings: list, streams: list, step: int) -> None:
        """mappings: [S, n, n] as H; streams: the inputs [CHECK_TOKENS, n, d] of the same connections, or None."""
        as_given = transposed = neither = together = compared = 0
        self._looked += 1
        for h, x, following in zip(mappings, streams, streams[1:]):
            if x is None or following is None or x.shape != following.shape:
                continue
            x, following = x.double(), following.double()
            h = h[: x.shape[0]].double().expand(x.shape[0], -1, -1)
            compared += 1
            spread = (following - following.mean(1, keepdim=True)).norm() / following.norm()
            together += bool(spread < 1e-6)
            size = following.norm()
            right, wrong = (float(self._rest(following - m @ x) / size) for m in (h, h.transpose(1, 2)))
            noise = 1e-4
            as_given += right < 0.1 * wrong and wrong > noise
            transposed += wrong < 0.1 * right and right > noise
            neither += min(right, wrong) > 0.02 and not (right < 0.1 * wrong or wrong < 0.1 * right)
        if compared and self.streams == "undetermined":
            if together <= 0.5 * compared:
                self.streams = "apart"
                log.info("self-check at step %d: the streams are kept apart between the connections", step)
            elif self._looked >= 4:
                self.streams = "collapsed"
                log.warning("self-check at step %d: the streams are equal at the input of %d of %d connections: they are reduced to one and expanded between the layers, so H_res mixes copies and composite gains mean nothing", step, together, compared)  # fmt: skip
        if self.orientation == "undetermined" and max(as_given, transposed) >= max(1, 4 * min(as_given, transposed)):
            self.flip = transposed > as_given
            self.orientation = "transposed" if self.flip else "as given"
            if self.flip:
                log.warning("self-check at step %d: the mappings are applied transposed to how they are read (%d of %d connections): read as their transposed from now on", step, transposed, compared)  # fmt: skip
            else:
                log.info("self-check at step %d: the orientation is right (%d of %d connections)", step, as_given, compared)
        elif self.orientation == "undetermined" and neither > 0.5 * compared and self._looked in (1, 4):
            log.warning("self-check at step %d: between %d of %d connections the streams change by more than one branch and the mapping: its orientation cannot be seen", step, neither, compared)  # fmt: skip

    @staticmethod
    def _rest(r: Any) -> Any:
        """Norm of r [S, n, d] without its best rank-1 part, per token."""
        values = torch.linalg.eigvalsh(r @ r.transpose(1, 2))
        return values[:, :-1].clamp(min=0).sum().sqrt()


# --- the background thread --------------------------------------------------------------------------------------------------------


class _Exchange:
    """One HTTP request and its answer. It follows no redirect, asks no proxy and gives no login: a token goes to the address given only."""

    def __init__(self, url: str, method: str, path: str, data: bytes, headers: dict) -> None:
        self.url, self.method, self.path, self.data, self.headers = url, method, path, data, headers
        self.done = threading.Event()
        self.status = 0  # there is no answer
        self.answer: Any = None  # its headers
        self.text = b""
        self.error: Optional[Exception] = None
        self._socket: Any = None

    def run(self) -> None:
        parts = urlsplit(self.url)
        kind, port = (http.client.HTTPSConnection, 443) if parts.scheme == "https" else (http.client.HTTPConnection, 80)
        connection: Any = None
        try:
            connection = kind(parts.hostname or "", parts.port or port, timeout=TIMEOUT_SECONDS)
            connection.connect()
            self._socket = connection.sock
            try:
                connection.request(self.method, parts.path + self.path, self.data, {**self.headers, "Connection": "close"})
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all of it came: the answer says why, or getresponse raises
            response = connection.getresponse()
            self.text = response.read(MAX_ANSWER_BYTES)
            self.answer, self.status = response.headers, response.status
        except Exception as error:
            self.error = error
        finally:
            if connection is not None:
                connection.close()
            self.done.set()

    def abort(self) -> None:
        try:
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def said(self, field: str, default: str = "") -> str:
        return str(self.answer.get(field, default)) if self.answer is not None else default

    def json(self) -> dict:
        """Empty where it is no object of JSON."""
        kind = self.said("Content-Type", "application/json").partition(";")[0].strip().lower()
        try:
            found = json.loads(self.text) if kind == "application/json" else {}
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def retry_after(self) -> Optional[float]:
        """Seconds that the answer asks to wait, at most MAX_RETRY_AFTER_SECONDS; None: it asks for none."""
        text = self.said("Retry-After").strip()
        try:
            if re.fullmatch(r"\d{1,9}", text):
                seconds = float(text)
            else:  # by the answer's own clock, where it tells it
                until, now = email.utils.parsedate_to_datetime(text), self.said("Date")
                seconds = until.timestamp() - (email.utils.parsedate_to_datetime(now).timestamp() if now else time.time())
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _exchanging(exchanges: queue.SimpleQueue) -> None:
    for exchange in iter(exchanges.get, None):
        exchange.run()


def _is_steps_answer(answer: dict) -> bool:
    counts = [answer.get(name) for name in ("accepted", "duplicates", "late")]
    return all(isinstance(c, int) and not isinstance(c, bool) and c >= 0 for c in counts) and isinstance(answer.get("warnings", []), list)


def _is_run_answer(answer: dict) -> bool:
    return isinstance(answer.get("run"), str)


# What becomes of a request: done; of no use to send again; to be sent again later; to be sent to another run, or later.
_DONE, _REFUSED, _LATER, _TAKEN = "done", "refused", "later", "taken"


class _Sender(threading.Thread):
    """Makes bodies of records, keeps those that are not acknowledged (memory, then disk, in order) and sends them; the requests themselves
    are made on one more thread, so that records are taken in while an answer is waited for."""

    def __init__(self, url: str, run: str, token: Optional[str], identity: dict, memory_limit: int, disk_limit: int, key: str = "") -> None:
        super().__init__(name="gainwatch", daemon=True)
        self._url, self.run_name, self.key, self._token, self._identity = url, run, key, token, identity
        self._headers = {"Gainwatch-Version": "1", "User-Agent": f"gainwatch-python/{__version__}", **({"Gainwatch-Key": key} if key else {}), **({"Authorization": f"Bearer {token}"} if token else {})}  # fmt: skip
        self._gzip = urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")  # not worth the time on the way to oneself
        self._exchanges: queue.SimpleQueue = queue.SimpleQueue()
        self._exchange: Any = None  # the one that is under way
        self._asked: Optional[float] = None  # seconds that the last answer asks to wait
        self._chance = random.Random().random  # the training's own is left alone
        self._free, self._taken_since = "", 0.0  # a name for the run while it goes on in another training, and since when it does
        self._records: queue.SimpleQueue = queue.SimpleQueue()
        self._waiting_bytes, self._memory_limit, self._disk_limit = 0, memory_limit, disk_limit
        self._memory: deque = deque()
        self._memory_bytes = 0
        self._spill: Any = None
        self._spill_dir, self._spill_read, self._spill_end, self._spilled = "", 0, 0, 0
        self._lock, self._pins = threading.Lock(), deque()  # type: ignore[var-annotated]
        self._opening: Optional[dict] = None
        self._opened: Optional[str] = None
        self._stopping, self._done, self._ending = threading.Event(), threading.Event(), None  # type: ignore[var-annotated]
        self._deadline = math.inf
        self._said: set = set()
        self._reason = f"{url} does not answer"  # of the last request that failed
        self.check = _Check()
        self.counters: Callable[[], dict] = dict
        self.fault: Callable[[str, Any], None] = lambda what, error: None
        self.dropped = self.errors = self.acknowledged = 0

    # on the training thread

    def start(self) -> None:
        threading.Thread(target=_exchanging, args=(self._exchanges,), name="gainwatch-http", daemon=True).start()
        super().start()

    def describe(self, order: list, kinds: list, conventions: list, n: int, tokens: int) -> None:
        self._opening = {"state": "open", **self._identity, "streams": n, "tokens": tokens, "order": order, "kinds": kinds, "conventions": conventions, "started": int(time.time() * 1000)}  # fmt: skip

    def put(self, record: dict, size: int) -> None:
        with self._lock:
            full = self._waiting_bytes > 0 and self._waiting_bytes + size > max(self._memory_limit, 1 << 20)
            self._waiting_bytes += 0 if full else size
            self.dropped += full
        if not full:
            record["bytes"] = size
            self._records.put(record)

    def pinned(self, size: int) -> Any:
        for _ in range(len(self._pins)):
            buffer = self._pins.popleft()
            if buffer.numel() == size:
                return buffer
        return torch.empty(size, dtype=torch.float32, pin_memory=True)

    def close(self, outcome: str, attempt: str, seconds: float) -> None:
        self._ending = {"state": "closed", "attempt": attempt, **self._identity, "outcome": outcome}
        self._deadline = time.monotonic() + seconds
        self._stopping.set()
        self._done.wait(seconds + 1)
        left = len(self._memory) + self._spilled + self._records.qsize()
        if left:
            log.warning("%d samples were not sent: the monitor did not take them within %g s (%s)", left, seconds, self._reason)
        if self._spill_dir:
            shutil.rmtree(self._spill_dir, ignore_errors=True)

    # in the background

    def run(self) -> None:
        wait, due, asked, tried = FLUSH_SECONDS, time.monotonic() + FLUSH_SECONDS, False, False
        try:
            while True:
                self._take(due)
                stopping, now = self._stopping.is_set(), time.monotonic()
                if stopping and now >= self._deadline:
                    break
                if (asked or tried) and now < (due if due <= self._deadline else self._deadline - LAST_TRY_SECONDS) and not (stopping and self._free):
                    continue  # close() came meanwhile, and the monitor has said when to ask again, or it was asked since
                try:
                    sent = self._flush()
                except Exception as error:
                    self.errors += 1
                    self._say("internal", f"a batch could not be sent: {type(error).__name__}: {error}")
                    sent = False
                if stopping and sent and self._records.empty():
                    break
                now, asked, tried = time.monotonic(), self._asked is not None and not sent, stopping and not sent
                wait = FLUSH_SECONDS if sent else min(wait * 2, BACKOFF_SECONDS, *([1.0] if stopping else []))
                # Up to half more by chance: the ranks of a training are not to come back all at once.
                pause = wait if sent else (self._asked if asked else wait) * (1 + self._chance() / 2)
                last = self._deadline - LAST_TRY_SECONDS
                due = min(now + pause, last if now < last else self._deadline)
                if stopping and self._free:
                    due = min(due, now + FLUSH_SECONDS)
        finally:
            if self._spill is not None:
                self._spill.close()
            self._exchanges.put(None)
            self._done.set()

    def _take(self, until: float) -> None:
        """Takes in records until then, some at a time: each wake-up takes the interpreter from the training thread."""
        while True:
            ending = self._stopping.is_set()
            if ending and self._failed:
                time.sleep(min(0.2, max(0.0, until - time.monotonic())))
            else:
                self._stopping.wait(min(FLUSH_SECONDS, max(0.0, until - time.monotonic())))
            self._take_waiting()
            if ending or self._stopping.is_set() or time.monotonic() >= until:
                return

    def _take_waiting(self) -> None:
        while not self._records.empty():
            record = self._records.get_nowait()
            try:
                body = self._body(record)
                if body is not None:
                    self._keep(record["attempt"], body)
            except Exception as error:
                self.dropped += 1
                self.fault("a sample could not be made", error)
            finally:
                with self._lock:
                    self._waiting_bytes -= record["bytes"]

    _failed = False

    def _body(self, record: dict) -> Optional[bytes]:
        """One safetensors body."""
        facts, shapes = record["facts"], record["shapes"]
        if "event" in record:
            record["event"].synchronize()
            flat = record["pinned"].clone()
            self._pins.append(record["pinned"])
        else:
            flat = torch.cat([p.reshape(-1) for p in record["parts"]]).cpu()
        if "counts" in record and not all(int(c) for c in record["counts"]):
            self.dropped += 1  # no compiled graph ran in this step
            return None
        late = flat[flat.numel() - len(record["late"]) :].tolist()
        flat = flat[: flat.numel() - len(late)]
        check = self.check
        if not facts.looked:
            facts.look(self._as_h(flat, shapes, facts))
            if self._opening is not None and self._opening["order"] == facts.order:
                self._opening["kinds"] = json.loads(facts.metadata["kinds"])
        if record["streams"] is not None:
            check.look(self._as_h(flat, shapes, facts), [x if x is None else x.cpu() for x in record["streams"]], record["step"])
        if len({*shapes}) == 1 and len({*facts.comb}) == 1:  # as one
            flat = flat.view(-1, *shapes[0][1:])
            flat = (flat.transpose(1, 2) if facts.comb[0] != check.flip else flat).contiguous()
        else:
            flat = torch.cat([(m.transpose(1, 2) if check.flip else m).reshape(-1) for m in self._as_h(flat, shapes, facts)])
        metadata = json.dumps(self._metadata(record, {**record["scalars"], **dict(zip(record["late"], late))}), separators=(",", ":"))
        text = f'{{"__metadata__":{metadata},{facts.tensors(shapes)}}}'.encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + ctypes.string_at(flat.data_ptr(), 4 * flat.numel()) + facts.memory

    @staticmethod
    def _as_h(flat: Any, shapes: list, facts: _Facts) -> list:
        mappings = (m.view(shape) for m, shape in zip(flat.split([math.prod(shape) for shape in shapes]), shapes))
        return [m.transpose(1, 2) if comb else m for m, comb in zip(mappings, facts.comb)]

    def _metadata(self, record: dict, scalars: dict) -> dict:
        fields = {"version": 1, **{key: record[key] for key in ("step", "attempt", "time", "step_seconds")}, **self._identity, **scalars, **self.counters()}
        lists = {key: json.dumps(record[key]) for key in ("tokens", "memory") if record.get(key)}
        return {**{key: _number(value) for key, value in fields.items()}, **record["facts"].metadata, **lists}

    def _keep(self, attempt: str, body: bytes) -> None:
        if not self._spilled and self._memory_bytes + len(body) <= self._memory_limit:
            self._memory.append((attempt, body))
            self._memory_bytes += len(body)
        elif self._spill_end + len(body) + 128 <= self._disk_limit:
            self._write(attempt.encode(), body)
        else:
            self.dropped += 1

    def _write(self, attempt: bytes, body: bytes) -> None:
        if self._spill is None:
            self._spill_dir = tempfile.mkdtemp(prefix="gainwatch-")
            self._spill = open(os.path.join(self._spill_dir, "spill"), "w+b")  # noqa: SIM115
        self._spill.seek(self._spill_end)
        self._spill.write(struct.pack("<QB", len(body), len(attempt)) + attempt + body)
        self._spill_end = self._spill.tell()
        self._spilled += 1

    def _refill(self) -> None:
        """From disk to memory, when memory is empty; the file is emptied when all of it is read."""
        while self._spilled and self._memory_bytes < BATCH_BYTES and len(self._memory) < BATCH_BODIES:
            self._spill.seek(self._spill_read)
            size, length = struct.unpack("<QB", self._spill.read(9))
            self._memory.append((self._spill.read(length).decode(), self._spill.read(size)))
            self._memory_bytes += size
            self._spill_read = self._spill.tell()
            self._spilled -= 1
        if self._spill is not None and not self._spilled and self._spill_end:
            self._spill.truncate(0)
            self._spill_read = self._spill_end = 0

    def _flush(self) -> bool:
        """Sends all there is. False where the monitor has to be waited for."""
        self._failed, self._asked = True, None
        if self._free and (self._stopping.is_set() or time.monotonic() - self._taken_since >= TAKEN_SECONDS):
            self._go_over()
        while True:
            if not self._memory:
                self._refill()
            if not self._memory:
                break
            batch, size, attempt = [], 0, self._memory[0][0]
            if not self._open_run(attempt):
                return False
            for its, body in self._memory:
                if its != attempt or (batch and (len(batch) == BATCH_BODIES or size + len(body) > BATCH_BYTES)):
                    break
                batch.append(body)
                size += len(body)
            if not self._post(batch):
                return False
            if time.monotonic() > self._deadline:
                return False
        if self._ending is not None and self._records.empty() and self._opening is not None:
            if self._put(self._ending) == _LATER:
                return False
            self._opening, self._free = None, ""  # with nothing to send, another name would hold an empty run
        self._failed = False
        return True

    def _open_run(self, attempt: str) -> bool:
        if self._opened == attempt or self._opening is None:
            return True
        if self._put({**self._opening, "attempt": attempt}) in (_DONE, _REFUSED):
            self._opened = attempt
        return self._opened == attempt

    def _put(self, state: dict) -> str:
        return self._request("PUT", "", json.dumps(state).encode(), "application/json", _is_run_answer)[0]

    def _post(self, batch: list) -> bool:
        """True where the batch, the first that waits, need not be sent again: it is no longer kept."""
        kind = "application/vnd.gainwatch.step" if len(batch) == 1 else "application/vnd.gainwatch.batch"
        data = batch[0] if len(batch) == 1 else b"".join(struct.pack("<Q", len(b)) + b for b in batch)
        outcome, answer = self._request("POST", "/steps", data, kind, _is_steps_answer)
        if outcome == _DONE:
            late = min(answer["late"], len(batch))  # a monitor of before takes them with 200
            if late:
                self.dropped += late
                self._say("late", f"run {self.run_name}: {late} steps came after theirs was put together without them, or their attempt had ended: they are lost")
            self.acknowledged += len(batch) - late
            self._hear(answer)
        elif outcome == _REFUSED and len(batch) > 1:  # one of them is refused: the others are not to be lost with it
            half = len(batch) // 2
            return self._post(batch[:half]) and self._post(batch[half:])
        elif outcome == _REFUSED:
            self.dropped += 1
        else:
            return False
        for body in batch:
            self._memory.popleft()
            self._memory_bytes -= len(body)
        return True

    def _go_over(self) -> None:
        """To the name that is free: nothing is lost to a training that came first. The monitor names the same one to all ranks."""
        self._always(f"run {self.run_name} goes on in another training: this one is sent as run {self._free} from now on")
        self.run_name, self._free, self._opened = self._free, "", None

    def _note_taken(self, free: str, rule: str) -> None:
        if not self._free:
            self._taken_since = time.monotonic()
            self._always(
                f"run {self.run_name} goes on in ANOTHER TRAINING ({rule}): nothing is lost, samples are kept and the run is asked for every "
                f"{TAKEN_ASK_SECONDS:g} s; if it is not free within {TAKEN_SECONDS:g} s this training is sent as run {free}. "
                "Give each training a name of its own (run=, GAINWATCH_RUN), and what resumes the key of what it resumes (key=, GAINWATCH_KEY)"
            )
        self._free, self._opened, self._asked = free, None, TAKEN_ASK_SECONDS

    def _exchanged(self, method: str, path: str, data: bytes, headers: dict) -> _Exchange:
        """Takes in records until there is an answer, or it has been waited for long enough."""
        exchange, started = _Exchange(self._url, method, path, data, headers), time.monotonic()
        if self._exchange is not None and not self._exchange.done.is_set():
            exchange.error = TimeoutError("the request before has not ended yet")  # it looks up a name, or connects
            return exchange
        self._exchange = exchange
        self._exchanges.put(exchange)
        while True:
            left = min(started + TIMEOUT_SECONDS, max(self._deadline, started + 0.1)) - time.monotonic()
            if exchange.done.wait(max(0.0, min(FLUSH_SECONDS, left))):
                return exchange
            if left <= 0:
                exchange.abort()
                late = _Exchange(self._url, method, path, b"", {})
                late.error = TimeoutError(f"no answer within {time.monotonic() - started:.0f} s")
                return late
            self._take_waiting()

    def _request(self, method: str, tail: str, data: bytes, kind: str, understood: Callable[[dict], bool]) -> tuple[str, dict]:
        """What became of it, and the answer where it is done."""
        path = f"/api/v1/runs/{self.run_name}{tail}"
        headers = {**self._headers, "Content-Type": kind}
        if self._gzip:
            data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
        exchange = self._exchanged(method, path, data, headers)
        status, answer, what = exchange.status, exchange.json(), f"{method} {self._url}{path}"
        if 200 <= status < 300 and understood(answer):
            if self._free:
                self._always(f"run {self.run_name} is this training's now")
                self._free = ""
            return _DONE, answer
        self.errors += 1
        refusal = answer.get("error")
        refusal = refusal if isinstance(refusal, dict) else {}
        free, rule = refusal.get("free"), " ".join(str(refusal[name]) for name in ("field", "rule") if refusal.get(name))
        if status == 409 and isinstance(free, str) and RUN.fullmatch(free) and free != self.run_name and self._memory:
            self._reason = self._clean(f"{what}: 409 {rule}")
            self._note_taken(free, rule)
            return _TAKEN, {}
        self._asked = exchange.retry_after()
        later = ": samples are kept and sent when it answers"
        if status == 0:
            error = exchange.error
            shown = str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
            self._refused((method, type(error).__name__), f"{what}: {shown}", later)
        elif status < 300:
            kind = exchange.said("Content-Type", "nothing").partition(";")[0]
            self._refused((method, status), f"{what}: answers {status} with {kind} that gainwatch serve does not say (a proxy, a login page?)", later)
        elif status < 400:
            try:
                to = urlsplit(exchange.said("Location"))
                host = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else "another path"
            except ValueError:
                host = "what is no address"
            self._refused((method, status), f"{what}: answers {status} to {host}: redirects are not followed, give its own address as url", later)
        else:
            text = rule or exchange.text[:300].decode(errors="replace").strip()
            self._refused((method, status, refusal.get("field")), f"{what}: {status} {text}", "" if status in REFUSED else later)
        return (_REFUSED if status in REFUSED else _LATER), {}

    def _refused(self, key: Any, what: str, then: str = "") -> None:
        self._reason = self._clean(what)
        self._say(key, what + then)

    def _hear(self, answer: dict) -> None:
        for w in answer.get("warnings", []):
            if isinstance(w, dict):
                key = (w.get("rule"), w.get("connection"), w.get("severity"))  # one that grows worse is said again
                self._say(key, f"{w.get('severity')} {w.get('rule')} at step {w.get('step')}, {w.get('connection') or 'the run'}: {w.get('message')}")

    def _say(self, key: Any, what: str) -> None:
        key = str(key)
        if key not in self._said:
            self._said.add(key)
            self._always(what)

    def _always(self, what: str) -> None:
        log.warning("%s", self._clean(what))

    def _clean(self, text: str) -> str:
        """In one line, without the token, whoever has put it there."""
        for secret in {self._token or "", quote(self._token or "", "")} - {""}:
            text = text.replace(secret, "…")
        return "".join(c if c.isprintable() else " " for c in _without_secrets(text))


def _number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, str) else repr(value)
