"""What a watched model holds more than one that is not, in bytes: tensors, and Python's objects, some steps after `watch`. Not what the
libraries take that are loaded for it (they are loaded before), nor what waits while no monitor answers (`memory_limit`)."""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from typing import Any

from python_training import Training, gainwatch_at, unwatched

SETTLED_SECONDS = 2.0  # until all that was taken has been sent


def memory(given: argparse.Namespace, url: str) -> dict[str, Any]:
    Training(given, gainwatch_at(url)).close()  # loads what is loaded late
    training = Training(given, unwatched)
    tensors = tensor_bytes()
    tracemalloc.start()
    training.watch = gainwatch_at(url)(training.model, training.optimizer)
    watched = tracemalloc.get_traced_memory()[0], tensor_bytes() - tensors
    training.steps(given.steps * given.rounds)
    time.sleep(SETTLED_SECONDS)
    gc.collect()
    python, more = tracemalloc.get_traced_memory()[0], tensor_bytes() - tensors
    training.close()
    del training.watch
    gc.collect()
    left = tracemalloc.get_traced_memory()[0], tensor_bytes() - tensors
    return {
        "connections": 2 * given.layers,
        "steps": given.steps * given.rounds,
        **{
            when: {"tensors": found[1], "python": found[0]}
            for when, found in (
                ("after watch", watched),
                ("after the steps", (python, more)),
                ("after close", left),
            )
        },
    }


def tensor_bytes() -> int:
    """Of all storages that a tensor in Python has, each once."""
    import torch

    gc.collect()
    storages = [o.untyped_storage() for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
