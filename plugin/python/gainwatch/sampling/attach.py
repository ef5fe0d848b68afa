"""How methods are watched: on the class that defines them, once for all monitors, and put back when the last one is closed. A module has
nothing of ours but its tag, so it is copied, pickled, scripted, exported and compiled as it was. Not what is done with what a method
returns (`see`)."""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import threading
import types
from dataclasses import dataclass
from typing import Any, Callable

from ..adapters.protocol import Inner, Site
from . import passes, see

TAG, PASS = "_gainwatch", "_gainwatch_pass"


class Armed:
    """The calls of inner functions are noted here while a watched method that wants them runs."""

    calls: Any = None


class ArmedThread(threading.local, Armed):
    """The same, for DataParallel runs replicas in threads beside each other."""


_of_graph, _of_thread = Armed(), ArmedThread()  # not each torch.compile can trace the latter


def _armed() -> Armed:
    return _of_graph if passes.is_compiling() else _of_thread


@dataclass
class Patch:
    """A function in the place of another, for so many users."""

    space: Any  # a class, or the globals of a module
    original: Any
    wrapper: Any
    users: int = 0


_patches: dict[tuple[int, str], Patch] = {}


def attach(module: Any, site: Site) -> Callable[[], None]:
    """Watches a method of the module's class. Gives what takes that off.

    @raises ValueError where the class has no such method in Python; nothing is watched then.
    """
    undo = [_attach(module, site.method)]

    def take_off() -> None:
        while undo:
            undo.pop()()

    method = getattr(module, site.method)
    space = getattr(inspect.unwrap(getattr(method, "__func__", method)), "__globals__", {})
    try:
        for name in site.inner:
            holder, _, called = name.rpartition(".")
            where = _definer(getattr(module, holder, None), called) if holder else space
            if where is not None and (holder or called in where):
                undo.append(_patch(where, called, functools.partial(_noted, name)))
    except Exception:
        take_off()
        raise
    return take_off


def attach_pass(module: Any) -> Callable[[], None]:
    """Watches where the module's forward pass begins and ends. @raises ValueError as `attach`"""
    return _attach(module, "forward")


def _attach(module: Any, method: str) -> Callable[[], None]:
    own = module.__dict__.get(method)
    if own is None:
        return _patch_method(module, method)
    if isinstance(own, Replaced):  # by another monitor
        return lambda: None
    # on this very object, by accelerate for one
    replaced = module.__dict__[method] = Replaced(own, module, method)
    return lambda: _put_back(module, method, replaced)


def _definer(module: Any, method: str) -> Any:
    return next((k for k in type(module).__mro__ if method in k.__dict__), None)


def _patch_method(module: Any, method: str) -> Callable[[], None]:
    kind = _definer(module, method)
    if kind is None or not isinstance(kind.__dict__[method], types.FunctionType):
        raise ValueError(f"{type(module).__name__} has no method {method} that can be watched")
    return _patch(kind, method, lambda function: _watched(function, method))


def _patch(space: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    key = (id(space), name)
    patch, now = _patches.get(key), (space if isinstance(space, dict) else space.__dict__)[name]
    if patch is None:
        patch = _patches[key] = Patch(space, now, make(now))
        _set(space, name, patch.wrapper)
    elif now is patch.original:  # somebody has put it back
        _set(space, name, patch.wrapper)
    patch.users += 1
    return lambda: _unpatch(name, key)


def _unpatch(name: str, key: tuple[int, str]) -> None:
    patch = _patches[key]
    patch.users -= 1
    space = patch.space
    now = (space if isinstance(space, dict) else space.__dict__).get(name)
    # Where another has wrapped ours since, it stays for the next monitor: it does nothing where there is no tag.
    if patch.users == 0 and now is patch.wrapper:
        _set(space, name, patch.original)
        del _patches[key]


def _set(space: Any, name: str, value: Any) -> None:
    if isinstance(space, dict):
        space[name] = value
    else:
        setattr(space, name, value)


def _watched(original: Any, method: str) -> Any:
    """What runs in the place of a method. It uses no globals of ours, for it has the original's."""
    event, enter, leave, armed, nothing = see.event, passes.enter, passes.leave, _armed, ()
    tag_name, pass_name = TAG, PASS if method == "forward" else ""

    def called(self: Any, tag: Any, args: Any, kwargs: Any) -> Any:
        if tag is None:
            return original(self, *args, **kwargs)
        if not tag.inner:
            out = original(self, *args, **kwargs)
            event(tag, method, self, args, kwargs, out, nothing)
            return out
        now = armed()
        before = now.calls
        calls = now.calls = []
        try:
            out = original(self, *args, **kwargs)
        finally:
            now.calls = before
        event(tag, method, self, args, kwargs, out, calls)
        return out

    def watched(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        own = self.__dict__
        tag, holder = own.get(tag_name), own.get(pass_name)
        if holder is None:
            return called(self, tag, args, kwargs)
        enter(holder)  # a module may be both: a matcher is asked of the model itself
        try:
            return called(self, tag, args, kwargs)
        finally:
            leave(holder.sampler)

    return _in_place_of(original, watched if passes.TRACEABLE else _eager(original, watched))


def _noted(name: str, original: Any) -> Any:
    armed, note = _armed, Inner

    def noted(*args, **kwargs):  # type: ignore[no-untyped-def]
        out = original(*args, **kwargs)
        calls = armed().calls
        if calls is not None:
            calls.append(note(name, args, kwargs, out))
        return out

    return _in_place_of(original, noted if passes.TRACEABLE else _eager(original, noted))


def _eager(original: Any, wrapper: Any) -> Any:
    """The wrapper, and in a graph of torch.compile the bare original: for a torch that cannot trace ours."""
    is_compiling = passes.is_compiling

    def eager(*args, **kwargs):  # type: ignore[no-untyped-def]
        return original(*args, **kwargs) if is_compiling() else wrapper(*args, **kwargs)

    return eager


def _in_place_of(original: Any, wrapper: Any) -> Any:
    """The wrapper with the original's globals and name: torch.jit.script reads them, and compiles the original's source."""
    code, space = wrapper.__code__, original.__globals__
    made = types.FunctionType(code, space, original.__name__, None, wrapper.__closure__)
    return functools.update_wrapper(made, original)


class Replaced:
    """A method that somebody has put on the object itself, watched. A pickle and a deep copy have what was there."""

    def __init__(self, original: Any, module: Any, method: str) -> None:
        self.module, self.__wrapped__ = module, original
        self.run = _watched(lambda module, *args, **kwargs: original(*args, **kwargs), method)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the method."""
        return self.run(self.module, *args, **kwargs)

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.itemgetter(0), ((self.__wrapped__,),)


def _put_back(module: Any, method: str, replaced: Replaced) -> None:
    if module.__dict__.get(method) is replaced:
        module.__dict__[method] = replaced.__wrapped__
