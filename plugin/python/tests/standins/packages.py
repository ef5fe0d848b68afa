"""Where the packages of others are found: importable as they are, or in a folder of their own below
`packages` of the virtual environment."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch

# What installs each, `ROOT` being the environment's folder or GAINWATCH_PACKAGES; `mhc` and
# `mhc-pytorch` are both imported as `mhc`: one in a process.
PIP = {
    "hyper-connections": "ROOT/hyper-connections/0.4.11 hyper-connections==0.4.11",
    "x-transformers": "ROOT/packages/x-transformers x-transformers==2.31.10 loguru einx frozendict",
    "mhc": "ROOT/packages/mhc mhc==0.5.5",
    "mhc-pytorch": "ROOT/packages/mhc-pytorch --ignore-requires-python mhc-pytorch==0.2.3",
    "mhc-ddim": "ROOT/packages/mhc-ddim mhc-ddim==0.2.5",
    "transformers": "ROOT/packages/transformers transformers==5.24.0",
}
FOLDERS = {"hyper-connections": "hyper-connections/0.4.11"}
MODULES = {"mhc-pytorch": "mhc"}


def missing(package: str) -> str:
    """ "" where `package` can be imported, else how it is installed; finds it and puts its folder
    on the path."""
    if package == "x-transformers" and sys.version_info < (3, 10):
        return "needs Python 3.10"
    if package == "mhc-pytorch" and not hasattr(torch.nn, "RMSNorm"):
        return "needs torch 2.4"
    module = MODULES.get(package, package.replace("-", "_"))
    folder = Path(os.environ.get("GAINWATCH_PACKAGES") or sys.prefix) / FOLDERS.get(
        package, f"packages/{package}"
    )
    if package.startswith("mhc") and module == "mhc":  # two packages of one name
        if chosen() != package:
            return f"this process has {chosen()}, of the same name (GAINWATCH_MHC={package})"
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        return (
            ""
            if folder.is_dir()
            else f"not installed: pip install --no-deps --target {PIP[package]}"
        )
    if importlib.util.find_spec(module) is None and folder.is_dir():
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    return (
        ""
        if importlib.util.find_spec(module)
        else f"not installed: pip install --no-deps --target {PIP[package]}"
    )


def chosen() -> str:
    """Which of the two that are called `mhc` this process has."""
    return os.environ.get("GAINWATCH_MHC", "mhc-pytorch")


def run_with(mhc: str, tests: str) -> subprocess.CompletedProcess[str]:
    """Runs tests in a process that has this one of the two that are called `mhc`."""
    command = [sys.executable, "-W", "ignore", "-m", "unittest", tests]
    own = {**os.environ, "GAINWATCH_MHC": mhc}
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, env=own, capture_output=True, text=True, timeout=600)


def load(package: str, module: str) -> Any:
    """A module of it. Raises ImportError saying how it is installed."""
    why = missing(package)
    if why:
        raise ImportError(why)
    # mhc 0.5.5 imports matplotlib, which it does not ask for, and draws nothing here.
    drawing = (
        []
        if package != "mhc" or importlib.util.find_spec("matplotlib")
        else ["matplotlib", "matplotlib.pyplot"]
    )
    for name in drawing:
        sys.modules[name] = mock.MagicMock()
    try:
        return importlib.import_module(module)
    finally:
        for name in drawing:
            sys.modules.pop(name, None)
