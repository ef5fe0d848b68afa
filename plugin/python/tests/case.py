"""A test case with a monitor that notes what it is sent, and what is compared with it. No test."""

from __future__ import annotations

import logging
import pathlib
import unittest
from typing import Any

import numpy as np
import torch
from torch import nn

import gainwatch
from tests.support import Body, Server

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = str(ROOT / "test" / "e2e" / "pytorch" / "train.py")


class Case(unittest.TestCase):
    def setUp(self) -> None:
        torch.set_num_threads(1)
        self.server = Server()
        self.addCleanup(self.server.close)
        logging.getLogger("gainwatch").setLevel(logging.CRITICAL + 1)
        self.addCleanup(logging.getLogger("gainwatch").setLevel, logging.NOTSET)

    def watch(self, model: nn.Module, **options: Any) -> gainwatch.Monitor:
        monitor = gainwatch.watch(model, **{"url": self.server.url, "run": "test", **options})
        self.addCleanup(monitor.close)
        return monitor

    def assert_equal(self, body: Body, wanted: Any, tolerance: float = 2e-5) -> None:
        at = body.listed("tokens")
        self.assertEqual(len(body.order), len(wanted))
        for name, want in zip(body.order, wanted):
            np.testing.assert_allclose(body.tensors[name], want[at], atol=tolerance, rtol=tolerance)
