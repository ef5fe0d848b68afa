"""Finds the connections of a model and has them watched. Not what an adapter knows (`adapters`), how a method is watched
(`sampling.attach`), nor what is done with what it returns (`sampling.see`)."""

from __future__ import annotations

import re
from typing import Any, Callable

from . import adapters, names
from .adapters import matcher as matchers
from .adapters import registry
from .compiled import taps
from .guard import Faults, log
from .options import Options
from .sampling import attach, passes
from .sampling.state import Mark, Part, Sampler, Tag

WRAPPERS = r"(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|module)(?=\.|$)"


def recognised(model: Any, options: Options, faults: Faults) -> list[registry.Recognised]:
    """The modules that have connections, by the name that they have in the model as its author wrote it."""
    modules = [(_name(name), module) for name, module in model.named_modules()]
    if options.matcher is not None:
        by_id = {id(module): name for name, module in modules}
        own = matchers.adapter(
            options.matcher, by_id, options.kind, options.bounded, options.orientation
        )
        return [
            registry.Recognised(name, module, own, tuple(own.recognise(module)))
            for name, module in modules
        ]
    found = (registry.recognise(name, module, adapters.ALL, faults) for name, module in modules)
    return [one for one in found if one is not None]


def _name(name: str) -> str:
    return re.sub(WRAPPERS, "", name).lstrip(".") or "connection"


def attach_all(
    model: Any, found: list[registry.Recognised], sampler: Sampler, run: str
) -> list[Callable[[], None]]:
    """Watches what was recognised, and the passes of the model. Gives what takes that off."""
    undo: list[Callable[[], None]] = []
    watched = [one.module for one in found if _attach(one, sampler, undo)]
    for part in sampler.parts:
        taps.prepare(sampler, part)
    if any(one.adapter.asks_all for one in found):  # what it names is not known yet
        watched = [m for m in watched if not any(True for _ in m.children())]
    for holder in passes.holders(model, watched) if watched else []:
        try:
            undo.append(attach.attach_pass(holder))
            undo.append(_mark(holder, attach.PASS, passes.Passes(sampler, holder)))
        except ValueError:
            pass  # a ModuleList is called by nobody
    undo.append(taps.follow(sampler))
    if taps.forget(passes.above(model, watched)):
        log.info(
            "run %s: the model was compiled before watch(): it is compiled once more, with what is watched in it",
            run,
        )
    return undo


def _attach(one: registry.Recognised, sampler: Sampler, undo: list[Callable[[], None]]) -> bool:
    """Watches a module with connections. False, which is said, where that cannot be done."""
    taken: list[Callable[[], None]] = []
    try:
        sites = tuple(one.adapter.sites(one.module))
        for site in sites:
            taken.append(attach.attach(one.module, site))
        if not sites:
            raise ValueError("it has no method that gives its mapping")
    except Exception as error:
        for take_off in taken:
            take_off()
        if not one.adapter.asks_all:
            what = f"is a connection ({one.adapter.name}), and cannot be watched"
            sampler.faults.say(one.name, f"{one.name}: {what}: {error}")
        return False
    parts = {}
    for found in one.found:
        if found.note:
            sampler.faults.say(found.note, f"{one.name}: {found.note}")
        known_as = names.of_connection(f"{one.name}.{found.part}" if found.part else one.name)
        parts[found.part] = Part(known_as, found, one.adapter, len(sampler.parts))
        sampler.parts.append(parts[found.part])
    tag = Tag(sampler, one.adapter, parts, any(site.inner for site in sites))
    undo += [*taken, _mark(one.module, attach.TAG, tag)]
    return True


def _mark(module: Any, name: str, mark: Mark) -> Callable[[], None]:
    """Puts a mark on the module; the newer monitor goes on with what another watches."""
    before = module.__dict__.get(name)
    if isinstance(before, Tag) and not before.sampler.closed:
        before.sampler.faults.say(
            "watched twice",
            "the model is watched by another monitor now, which goes on with its connections",
        )
        before.sampler.parts = [p for p in before.sampler.parts if p not in before.parts.values()]
    module.__dict__[name] = mark

    def take_off() -> None:
        if module.__dict__.get(name) is mark:
            del module.__dict__[name]

    return take_off
