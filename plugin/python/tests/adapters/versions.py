"""Several versions of lucidrains' hyper-connections in one process. No test."""

from __future__ import annotations

import importlib
import os
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

NAME = "hyper_connections"
VERSIONS = ("0.1.15", "0.3.0", "0.3.12", "0.4.11")


@contextmanager
def version(number: str) -> Iterator[Callable[[str], Any]]:
    """Within, `load(module)` imports a module of that version ("" the package itself), and it is what `import` finds.

    @raises unittest.SkipTest where it is not installed
    """
    folder = Path(os.environ.get("GAINWATCH_PACKAGES") or sys.prefix) / "hyper-connections" / number
    if not folder.is_dir():
        raise unittest.SkipTest(f"hyper-connections {number} is not in {folder}")
    kept = {key: sys.modules.pop(key) for key in list(sys.modules) if key.split(".")[0] == NAME}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield lambda module: importlib.import_module(f"{NAME}.{module}" if module else NAME)
    finally:
        sys.path.remove(str(folder))
        for key in [key for key in sys.modules if key.split(".")[0] == NAME]:
            del sys.modules[key]
        sys.modules.update(kept)
