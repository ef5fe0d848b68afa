"""How a training ends that does not call `close`: at the interpreter's exit, by an exception, `sys.exit`, SIGTERM or Ctrl-C. The outcome is
told as well as it can be known. Nothing of the training's own handlers is taken away."""

from __future__ import annotations

import atexit
import functools
import os
import signal
import sys
import threading
import weakref
from typing import Any, Callable, Optional

Close = Callable[[str], None]

_open: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_before: dict[str, Any] = {}
_exit_code: list[Any] = []
_survived: dict[str, int] = {"error": 0}


def outcome_of(kind: Optional[type]) -> str:
    """Of a training that an exception of this kind has ended; None: there was none."""
    if kind is None:
        return "completed"
    return "interrupted" if issubclass(kind, KeyboardInterrupt) else "failed"


def outcome_of_exit(code: Any) -> str:
    """Of one that calls sys.exit(code)."""
    return "completed" if code in (None, 0, False) else "failed"


def goes_on() -> None:
    """The training does: what was raised before (in a notebook), or exited and caught, has not ended it."""
    _survived["error"] = _last_error()
    if _exit_code:
        _exit_code.clear()


def _last_error() -> int:
    return id(getattr(sys, "last_value", None))


def at_exit() -> str:
    """What can be known when the interpreter goes."""
    kind = getattr(sys, "last_type", None)
    if kind is not None and _last_error() != _survived["error"]:
        return outcome_of(kind)
    return outcome_of_exit(_exit_code[-1]) if _exit_code else "unknown"


def watch_for(monitor: Any) -> Callable[[], None]:
    """Has `monitor.close(outcome)` called when the process ends. Gives what takes that back. monitor is held weakly."""
    key = id(monitor)
    _open[key] = monitor
    held = weakref.ref(monitor)

    def leave() -> None:
        one = held()
        if one is not None:
            one.close(at_exit())

    atexit.register(leave)
    if not _before:
        _install()

    def take_back() -> None:
        atexit.unregister(leave)
        _open.pop(key, None)
        if not _open:
            _uninstall()

    return take_back


def _install() -> None:
    original = sys.exit

    @functools.wraps(original)
    def exits(code: Any = None) -> Any:
        if threading.current_thread() is threading.main_thread():
            _exit_code.append(code)
        return original(code)

    _before["exit"], _before["wrapper"] = original, exits
    sys.exit = exits
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        _before["signal"] = signal.signal(signal.SIGTERM, _terminated)


def _uninstall() -> None:
    if sys.exit is _before.get("wrapper"):
        sys.exit = _before["exit"]
    main = threading.current_thread() is threading.main_thread()
    if "signal" in _before and main and signal.getsignal(signal.SIGTERM) is _terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _before.clear()


def _terminated(number: int, frame: Any) -> None:
    """Nobody else takes SIGTERM: what is sent is sent, and the process dies of it as it would have."""
    pid = os.getpid()
    for monitor in list(_open.values()):
        if getattr(monitor, "_pid", pid) == pid:
            monitor.close("interrupted")
    signal.signal(number, signal.SIG_DFL)
    os.kill(pid, number)
