"""gainwatch: sends what the residual mappings of a hyper-connection model do, from a PyTorch training to `gainwatch serve`.

    monitor = gainwatch.watch(model, url="http://127.0.0.1:9464", run="hc-27b")
    for batch in loader:
        loss = train_step(batch)
        monitor.step(loss)
    monitor.close()

The training thread samples the same tokens in every connection and copies them without waiting; a background thread does the
rest. After `watch` has accepted its arguments nothing here raises into the training: faults are counted and logged once each.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "gainwatch watches a PyTorch training: install torch 2.1 or later first"
    ) from error

from .adapters.protocol import Adapter, Call, Found, Inner, Reading, Refused, Site, pick
from .adapters.registry import register
from .guard import log
from .monitor import Monitor
from .version import __version__
from .watch import watch

__all__ = [
    "Adapter",
    "Call",
    "Found",
    "Inner",
    "Monitor",
    "Reading",
    "Refused",
    "Site",
    "__version__",
    "log",
    "pick",
    "register",
    "watch",
]
