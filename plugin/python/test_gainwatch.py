"""Tests of the sender on real PyTorch, against a small HTTP server. Run by:  .ci/pytorch.sh && PYTHON -m unittest discover plugin/python

lucidrains' package is found on PYTHONPATH; GAINWATCH_HYPER_CONNECTIONS names a folder with one subfolder per version instead (default:
that of .ci/pytorch.sh beside the virtual environment), and then the tests of the package run once more in a process per version.
GAINWATCH_DEVICE=cuda: the models of most tests are on the GPU.
"""
from __future__ import annotations

import copy
import gzip
import json
import logging
import os
import pathlib
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "test" / "e2e" / "pytorch")]

try:
    import gainwatch
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    raise unittest.SkipTest(f"PyTorch is not here: {error}; .ci/pytorch.sh installs it") from None

VERSIONS = pathlib.Path(os.environ.get("GAINWATCH_HYPER_CONNECTIONS", pathlib.Path(sys.prefix) / "hyper-connections"))
if "GAINWATCH_HC_VERSION" in os.environ:
    sys.path.insert(0, str(VERSIONS / os.environ["GAINWATCH_HC_VERSION"]))
elif VERSIONS.is_dir():
    sys.path.append(str(sorted(VERSIONS.iterdir(), key=lambda p: [int(i) for i in p.name.split(".")])[-1]))
import models  # noqa: E402

DEVICE = os.environ.get("GAINWATCH_DEVICE", "cpu")
torch.set_num_threads(1)
gainwatch.FLUSH_SECONDS = 0.05


def parse(body: bytes) -> SimpleNamespace:
    """metadata and float32 arrays of one safetensors body; by the package of that name where it is there."""
    (length,) = struct.unpack_from("<Q", body)
    header = json.loads(body[8 : 8 + length])
    metadata = header.pop("__metadata__")
    assert length % 8 == 0 and all(isinstance(v, str) for v in metadata.values())
    try:
        from safetensors.numpy import load

        tensors = load(body)
    except ImportError:
        tensors = {k: np.frombuffer(body, np.float32, offset=8 + length + v["data_offsets"][0], count=int(np.prod(v["shape"]))).reshape(v["shape"]) for k, v in header.items()}
    return SimpleNamespace(metadata=metadata, tensors=tensors, order=json.loads(metadata["order"]), step=int(metadata["step"]))


JSON = {"Content-Type": "application/json; charset=utf-8"}


class Server:
    """Notes what it is sent. behaviour: "ok", "hang", a status that it answers, or a function of (method, path, data) that returns
    status, headers and body, or None for what "ok" does."""

    def __init__(self, port: int = 0) -> None:
        self.steps: list = []
        self.puts: list = []
        self.behaviour: Any = "ok"
        self.headers: list = []
        self.paths: list = []
        self.warnings: list = []
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    data = gzip.decompress(data)
                outer.headers.append(dict(self.headers))
                outer.paths.append((self.command, self.path))
                if outer.behaviour == "hang":
                    outer.release.wait(60)
                    return
                own = outer.behaviour(self.command, self.path, data) if callable(outer.behaviour) else None
                status = 200 if outer.behaviour == "ok" or callable(outer.behaviour) else outer.behaviour
                if own is not None:
                    status, headers, answer = own
                elif status == 200:
                    taken = outer.take(self.command, self.headers["Content-Type"], data)
                    headers, answer = JSON, json.dumps(taken).encode()
                else:
                    headers, answer = JSON, json.dumps({"error": {"field": "x", "rule": "y", "value": 1}}).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_PUT = do_POST = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads, block_on_close, allow_reuse_address = True, False, True

            def handle_error(self, *_: Any) -> None:
                pass

        self.http = Quiet(("127.0.0.1", port), Handler)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, method: str, kind: str, data: bytes) -> dict:
        if method == "PUT":
            self.puts.append(json.loads(data))
            return {"run": "test", "attempt": 1}
        at, before = 0, len(self.steps)
        while kind == "application/vnd.gainwatch.batch" and at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            self.steps.append(parse(data[at + 8 : at + 8 + length]))
            at += 8 + length
        if kind == "application/vnd.gainwatch.step":
            self.steps.append(parse(data))
        return {"accepted": len(self.steps) - before, "duplicates": 0, "late": 0, "composite_gain": None, "warnings": self.warnings}

    def close(self) -> None:
        self.release.set()
        self.http.shutdown()
        self.http.server_close()


def model_of(package: str, kind: str, layers: int = 2, seed: int = 0) -> nn.Module:
    """With mappings that are neither symmetric nor alike."""
    torch.manual_seed(seed)
    model = models.LanguageModel(package, kind, 16, layers, 12)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if any(part in name for part in ("static_alpha", "dynamic_alpha_fn", "hc_", "static_beta")):
                p.add_(torch.randn_like(p) * 0.3)
    return model.to(DEVICE)


def tokens_of(step: int = 0) -> torch.Tensor:
    return torch.randint(256, (2, 12), generator=torch.Generator().manual_seed(step)).to(DEVICE)


def train(model: nn.Module, monitor: Any, steps: int = 1, optimizer: Any = None, forward: Any = None) -> list:
    forward = model if forward is None else forward
    losses = []
    for step in range(steps):
        x = tokens_of(step)
        loss = F.cross_entropy(forward(x).flatten(0, 1), x.flatten())
        loss.backward()
        if optimizer:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if monitor:
            monitor.step(loss)
    return losses


def expected(model: nn.Module, x: torch.Tensor) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        found = models.mappings(model, lambda: model(x))
    model.train()
    return np.stack(found)


def wait(what: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.01)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.close)
        logging.getLogger("gainwatch").setLevel(logging.CRITICAL + 1)
        self.addCleanup(logging.getLogger("gainwatch").setLevel, logging.NOTSET)

    def watch(self, model: nn.Module, **options: Any) -> gainwatch.Monitor:
        monitor = gainwatch.watch(model, **{"url": self.server.url, "run": "test", **options})
        self.addCleanup(monitor.close)
        return monitor

    def assert_equal(self, step: Any, wanted: np.ndarray, tolerance: float = 2e-5) -> None:
        at = json.loads(step.metadata["tokens"])
        for k, name in enumerate(step.order):
            np.testing.assert_allclose(step.tensors[name], wanted[k][at], atol=tolerance, rtol=tolerance)
        self.assertEqual(len(step.order), len(wanted))


class Package(Case):
    """lucidrains' package, the version on the path."""

    def check_kind(self, kind: str) -> None:
        try:
            model = model_of("lucidrains", kind)
        except ImportError as error:
            self.skipTest(str(error))
        wanted = expected(model, tokens_of())
        with self.watch(model, tokens=10) as monitor:
            train(model, monitor)
        self.assert_equal(self.server.steps[0], wanted)
        self.assertEqual(len(self.server.steps[0].order), 4)
        self.assertEqual(self.server.puts[0]["kinds"], [kind] * 4)
        self.assertEqual(monitor.counters["errors"], 0)
        if not np.allclose(wanted, wanted.transpose(0, 1, 3, 2), atol=1e-3):
            self.assertEqual(monitor.orientation, "as given")
        self.assertEqual(monitor.streams, "apart")

    def test_hc(self) -> None:
        self.check_kind("hc")

    def test_mhc(self) -> None:
        self.check_kind("mhc")

    def test_the_package_is_left_as_it_was(self) -> None:
        model = model_of("lucidrains", "hc")
        package = sys.modules[type(model.layers["0"]).__module__]
        before = package.einsum, dict(vars(model.layers["0"]))
        with self.watch(model) as monitor:
            train(model, monitor)
            self.assertIsNot(package.einsum, before[0])
        self.assertEqual((package.einsum, dict(vars(model.layers["0"]))), before)

    def test_streams_reduced_between_layers_are_seen(self) -> None:
        model = model_of("lucidrains", "hc", 3)
        for layer in model.layers.values():
            layer.register_forward_pre_hook(lambda m, args: (args[0].unflatten(0, (-1, 4)).sum(1).repeat_interleave(4, 0),))
        with self.watch(model) as monitor:
            train(model, monitor, 10, torch.optim.Adam(model.parameters(), 1e-3))
        self.assertEqual(monitor.streams, "collapsed")


class EveryVersion(unittest.TestCase):
    def test_every_version(self) -> None:
        if "GAINWATCH_HC_VERSION" in os.environ or not VERSIONS.is_dir():
            self.skipTest("within a version, or none installed")
        for folder in sorted(VERSIONS.iterdir()):
            with self.subTest(version=folder.name):
                done = subprocess.run(
                    [sys.executable, "-m", "unittest", "-v", "test_gainwatch.Package.test_hc", "test_gainwatch.Package.test_mhc"],
                    cwd=HERE, env={**os.environ, "GAINWATCH_HC_VERSION": folder.name}, capture_output=True, text=True, timeout=200,
                )  # fmt: skip
                self.assertEqual(done.returncode, 0, done.stderr[-3000:])


class Adapters(Case):
    def test_deepseek(self) -> None:
        for kind in ("hc", "mhc"):
            model = model_of("deepseek", kind)
            wanted = expected(model, tokens_of())
            self.server.steps.clear()
            with self.watch(model, tokens=10, run=kind) as monitor:
                train(model, monitor)
            self.assert_equal(self.server.steps[0], wanted)
            self.assertEqual(self.server.steps[0].order, ["layers.0.attn", "layers.0.ffn", "layers.1.attn", "layers.1.ffn"])
            self.assertEqual((monitor.orientation, monitor.streams), ("as given", "apart"))

    def test_a_transposed_adapter_is_caught(self) -> None:
        model = model_of("deepseek", "hc")
        wanted = expected(model, tokens_of())
        monitor = self.watch(model, tokens=10)
        for connection in monitor._connections:
            connection.orientation = "H"  # as an adapter that does not know that comb is applied transposed
        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            train(model, monitor)
            monitor.close()
        self.assertIn("applied transposed to how they are read", logs.output[0])
        self.assertEqual(monitor.orientation, "transposed")
        self.assert_equal(self.server.steps[0], wanted)  # and put right

    def test_hugging_face(self) -> None:
        class Connection(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.hc_mult, self.block = 4, model_of("deepseek", "mhc", 1).layers["0"]
                self.fn, self.base, self.scale = self.block.hc_attn_fn, self.block.hc_attn_base, self.block.hc_attn_scale

            def forward(self, x: torch.Tensor) -> Any:
                y, post, comb = self.block.hc_pre(x, self.fn, self.scale, self.base)
                return post, comb, y

        module = nn.ModuleDict({"attn_hc": Connection(), "ffn_hc": Connection()})
        with self.watch(module) as monitor:
            _, comb, y = module["attn_hc"](torch.randn(2, 3, 4, 16, device=DEVICE))
            module["ffn_hc"](torch.randn(2, 3, 4, 16, device=DEVICE))
            monitor.step(y.sum())
        got = self.server.steps[0]
        self.assertEqual([n for n in got.order if n.endswith("_hc")], ["attn_hc", "ffn_hc"])
        np.testing.assert_allclose(got.tensors["attn_hc"], comb.detach().flatten(0, 1).transpose(1, 2).cpu().numpy(), atol=1e-6)

    def test_hugging_face_for_real(self) -> None:
        try:
            from transformers import DeepseekV4Config, DeepseekV4ForCausalLM
        except ImportError as error:
            self.skipTest(f"NOT TESTED, transformers 5.17 or later is not here: {error}")
        torch.manual_seed(0)
        small = {"hidden_size": 16, "moe_intermediate_size": 16, "head_dim": 16, "q_lora_rank": 8, "o_lora_rank": 8, "o_groups": 2, "index_n_heads": 2, "index_head_dim": 16}
        model = DeepseekV4ForCausalLM(DeepseekV4Config(vocab_size=256, num_hidden_layers=4, num_attention_heads=2, n_routed_experts=4, num_experts_per_tok=2, **small)).train().to(DEVICE)
        wanted: list = []

        def note(m: Any, args: tuple) -> None:
            parts = {f"hc_ffn_{part}": getattr(m, part) for part in ("fn", "base", "scale")}
            wanted.append(models.deepseek_mapping(SimpleNamespace(kind="mhc", iterations=20, eps=1e-6, **parts), "ffn", args[0].detach()))

        for name, module in model.named_modules():
            if name.endswith("_hc"):
                module.register_forward_pre_hook(note)
                for p in module.parameters():
                    p.data.add_(torch.randn_like(p) * 0.3)
        with self.watch(model, tokens=10) as monitor:
            loss = model(input_ids=tokens_of(), labels=tokens_of()).loss
            loss.backward()
            monitor.step(loss)
        self.assertEqual(self.server.steps[0].order, [f"model.layers.{i}.{part}_hc" for i in range(4) for part in ("attn", "ffn")])
        self.assert_equal(self.server.steps[0], np.stack(wanted))
        self.assertEqual((monitor.orientation, monitor.streams, monitor.counters["errors"]), ("as given", "apart", 0))

    def test_megatron_both_ways(self) -> None:
        for transposed in (False, True):

            class HyperConnectionModule(nn.Module):
                def __init__(self) -> None:
                    super().__init__()
                    self.n, self.hidden_size, self.mapping_proj = 4, 8, nn.Linear(32, 24)

                def compute_mappings(self, x: torch.Tensor) -> Any:
                    h = self.mapping_proj(x)
                    return h[..., :4], h[..., 4:8], h[..., 8:].unflatten(-1, (4, 4))

                def apply_h_res(self, h: torch.Tensor, x: torch.Tensor, transposed: bool = transposed) -> torch.Tensor:
                    return ((h.transpose(-1, -2) if transposed else h) @ x.unflatten(-1, (4, 8))).flatten(2)

                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    _, post, self.h = self.compute_mappings(x)
                    return self.apply_h_res(self.h, x) + (post.unsqueeze(-1) * x[..., None, :8].tanh()).flatten(2)

            torch.manual_seed(0)
            model = nn.Sequential(HyperConnectionModule(), HyperConnectionModule())
            self.server.steps.clear()
            with self.watch(model, run=f"m{transposed}") as monitor:
                monitor.step(model(torch.randn(3, 2, 32)).sum())
            h = model[0].h.detach().flatten(0, 1).numpy()
            np.testing.assert_allclose(self.server.steps[0].tensors["0"], h.transpose(0, 2, 1) if transposed else h, atol=1e-6)
            self.assertEqual(monitor.orientation, "as given")

    def test_a_deep_copy_has_its_own_weights_and_is_not_watched(self) -> None:
        for package in ("deepseek", "lucidrains"):
            try:
                model = model_of(package, "hc")
            except ImportError as error:
                self.skipTest(str(error))
            with self.watch(model) as monitor:
                average = pickle.loads(pickle.dumps(copy.deepcopy(model)))
                before = average(tokens_of())
                with torch.no_grad():
                    for p in model.parameters():
                        p.add_(1)
                self.assertTrue(torch.equal(average(tokens_of()), before), package)
                self.assertEqual(monitor._sampler.order, [], package)
        model = nn.Sequential(nn.Linear(4, 4))
        with self.watch(model, matcher=lambda name, m: torch.eye(4)) as monitor:
            copy.deepcopy(model)(torch.randn(2, 4))
            self.assertEqual(monitor._sampler.order, [])

    def test_matcher_with_a_tensor_per_token_or_one_for_all(self) -> None:
        class Own(nn.Module):
            def __init__(self, static: bool) -> None:
                super().__init__()
                self.h, self.static, self.line = nn.Parameter(torch.eye(3) + torch.randn(3, 3) / 5), static, nn.Linear(6, 6)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                self.seen = self.h if self.static else self.h + x.mean((-1, -2))[..., None, None]
                return self.seen @ x + self.line(x.mean(-2, keepdim=True))

        for static in (False, True):
            for orientation, found in (("H", "as given"), ("comb", "transposed")):
                torch.manual_seed(1)
                model = nn.Sequential(Own(static), Own(static), Own(static))
                self.server.steps.clear()
                with self.watch(model, matcher=lambda name, m: getattr(m, "seen", None), orientation=orientation, run=f"o{static}{orientation}") as monitor:
                    monitor.step(model(torch.randn(2, 5, 3, 6)).sum())
                got = self.server.steps[0]
                self.assertEqual(got.order, ["0", "1", "2"])
                h = model[1].seen.detach().reshape(-1, 3, 3).numpy()
                np.testing.assert_allclose(got.tensors["1"], h, atol=1e-6)
                self.assertEqual(monitor.orientation, found)

    def test_wrong_arguments_are_named(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for options, name in (({"run": "-"}, "run"), ({"url": "ftp://x"}, "url"), ({"url": "http://x:99999"}, "url"), ({"tokens": 2.5}, "tokens"), ({"tokens": 4097}, "tokens"), ({"tokns": 1}, "tokns"), ({"stage": 1}, "stage"), ({"tokens": 0}, "tokens"), ({"attempt": "a b"}, "attempt")):
            with self.assertRaisesRegex(ValueError, f"^{name}: .*given"):
                gainwatch.watch(model, **options)
        with self.assertRaisesRegex(ValueError, "^model: holds no connection"):
            gainwatch.watch(nn.Linear(2, 2))


class Loops(Case):
    def test_losses_are_bit_identical(self) -> None:
        for package in ("lucidrains", "deepseek"):
            runs = []
            for watched in (False, True):
                model = model_of(package, "hc")
                monitor = self.watch(model, run=package) if watched else None
                runs.append(train(model, monitor, 8, torch.optim.Adam(model.parameters(), 1e-2)))
                if monitor:
                    monitor.close()
            self.assertEqual(*runs)

    def test_one_record_per_step_and_what_is_said_with_it(self) -> None:
        model = model_of("deepseek", "mhc")
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        monitor = self.watch(model, optimizer=optimizer, stage=1, stages=2, replica=3)
        losses = train(model, monitor, 3, optimizer)
        monitor.step(float("nan"), gradient_norm=torch.tensor(2.0))  # no forward: nothing to send
        monitor.close()
        self.assertEqual([s.step for s in self.server.steps], [1, 2, 3])
        metadata = self.server.steps[2].metadata
        self.assertEqual(float(metadata["loss"]), losses[2])
        self.assertEqual({k: metadata[k] for k in ("version", "rank", "world_size", "stage", "stages", "replica", "learning_rate")}, {"version": "1", "rank": "0", "world_size": "1", "stage": "1", "stages": "2", "replica": "3", "learning_rate": "0.01"})
        self.assertGreater(float(metadata["overhead_seconds"]), 0)
        self.assertEqual({p["state"] for p in self.server.puts}, {"open", "closed"})
        self.assertEqual(self.server.puts[-1]["outcome"], "completed")
        self.assertEqual({s.metadata["attempt"] for s in self.server.steps}, {monitor.attempt})
        memory = self.server.steps[0].tensors["@memory"]
        self.assertEqual((memory.shape, memory[0, 0]), ((5, 4), 4.0 * (24 * 64 + 24 + 3)))
        self.assertEqual(len(json.loads(metadata["tokens"])), 24)

    def test_checkpointing(self) -> None:
        from torch.utils.checkpoint import checkpoint

        for reentrant in (False, True):
            model = model_of("deepseek", "hc")
            for layer in model.layers.values():
                layer.forward = lambda x, f=layer.forward: checkpoint(f, x, use_reentrant=reentrant)
            self.server.steps.clear()
            with self.watch(model, run=f"c{reentrant}") as monitor:
                train(model, monitor, 2)
            self.assertEqual([(s.step, len(s.order)) for s in self.server.steps], [(1, 4), (2, 4)])

    def test_accumulation_keeps_the_first_micro_batch_and_validation_is_left_out(self) -> None:
        model = model_of("deepseek", "hc")
        wanted = expected(model, tokens_of(0))
        with self.watch(model) as monitor:
            model.eval()
            model(tokens_of(5))
            model.train()
            for micro in range(3):
                loss = model(tokens_of(micro)).sum()
                loss.backward()
            monitor.step(loss)
        self.assertEqual(len(self.server.steps), 1)
        self.assert_equal(self.server.steps[0], wanted)

    def test_autocast(self) -> None:
        model = model_of("lucidrains", "hc")
        wanted = expected(model, tokens_of())
        with self.watch(model) as monitor, torch.autocast(DEVICE, torch.bfloat16):
            train(model, monitor)
        self.assert_equal(self.server.steps[0], wanted, 0.1)

    def test_compile(self) -> None:
        for package, kind in (("deepseek", "mhc"), ("lucidrains", "hc"), ("lucidrains", "mhc")):
            torch._dynamo.reset()
            model = model_of(package, kind)
            wanted = expected(model, tokens_of()), expected(model, tokens_of(1))
            self.server.steps.clear()
            with self.watch(model, run=f"{package}-{kind}", tokens=10) as monitor:
                compiled = torch.compile(model, backend="eager", fullgraph=True)
                train(model, monitor, 2, None, compiled)
            self.assertEqual(monitor.counters["errors"], 0)
            for step, want in zip(self.server.steps, wanted):
                at = monitor._sampler.__class__(10, 1)
                at.step = step.step
                for k, name in enumerate(step.order):
                    np.testing.assert_allclose(step.tensors[name], want[k][list(at.positions(24))], atol=2e-5)
            self.assertEqual(len(self.server.steps), 2)

    def test_attempts_and_steps_that_go_back(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model, attempt="abc")
        for number in (5, 6, 3, 4):
            model(tokens_of())
            monitor.step(step=number)
        monitor.close("failed")
        self.assertEqual([(s.step, s.metadata["attempt"]) for s in self.server.steps], [(5, "abc"), (6, "abc"), (3, "abc.1"), (4, "abc.1")])
        self.assertEqual([(p["state"], p["attempt"]) for p in self.server.puts], [("open", "abc"), ("open", "abc.1"), ("closed", "abc.1")])

    def test_every_third_step_whatever_its_number(self) -> None:
        model = model_of("deepseek", "hc", 1)
        with self.watch(model, every=3) as monitor:
            for number in range(100, 1100, 100):
                model(tokens_of())
                monitor.step(step=number)
        self.assertEqual([s.step for s in self.server.steps], [100, 400, 700, 1000])

    def test_a_step_done_once_more_is_sampled(self) -> None:
        model = model_of("deepseek", "hc", 1)
        with self.watch(model, attempt="abc") as monitor:
            for number in (1, 2, 2, 3):
                model(tokens_of())
                monitor.step(step=number)
        self.assertEqual([(s.step, s.metadata["attempt"]) for s in self.server.steps], [(1, "abc"), (2, "abc"), (2, "abc.1"), (3, "abc.1")])

    def test_two_ranks_send_what_one_process_does(self) -> None:
        script = str(HERE.parents[1] / "test" / "e2e" / "pytorch" / "train.py")
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port"]
        runs = {}
        for name, command in (("one", [sys.executable, script]), ("data", [*torchrun, str(29500 + os.getpid() % 400), script]), ("stages", [*torchrun, str(29900 + os.getpid() % 400), script, "--stage-parallel"])):
            self.server.steps.clear()
            done = subprocess.run([*command, "--package", "deepseek", "--steps", "3", "--layers", "2", "--tokens", "128", "--url", self.server.url], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            self.assertEqual(len({s.metadata["attempt"] for s in self.server.steps}), 1)
            runs[name] = {(s.step, s.metadata["rank"]): s for s in self.server.steps}
        self.assertEqual(sorted(runs["data"]), [(n, r) for n in (1, 2, 3) for r in "01"])
        self.assertEqual([runs["stages"][(1, r)].metadata["stage"] for r in "01"], ["0", "1"])
        for step in (1, 2, 3):
            one = runs["one"][(step, "0")]
            a, b = (runs["data"][(step, r)] for r in "01")
            c, d = (runs["stages"][(step, r)] for r in "01")
            self.assertEqual(c.order + d.order, one.order)
            self.assertEqual(float(c.metadata["loss"]), float(d.metadata["loss"]))
            self.assertAlmostEqual((float(a.metadata["loss"]) + float(b.metadata["loss"])) / 2, float(one.metadata["loss"]), places=4)
            for name in one.order:
                np.testing.assert_allclose(np.concatenate([a.tensors[name], b.tensors[name]]), one.tensors[name], atol=2e-4)
                np.testing.assert_allclose((c if name in c.order else d).tensors[name], one.tensors[name], atol=1e-5)

    def test_a_distributed_scalar_is_taken_where_it_is_whole_and_costs_no_step(self) -> None:
        model = model_of("deepseek", "hc", 1)
        with self.watch(model) as monitor:
            for whole in (True, False):
                model(tokens_of())
                placement = SimpleNamespace(is_replicate=lambda whole=whole: whole)
                monitor.step(gradient_norm=SimpleNamespace(to_local=lambda: torch.tensor(2.0, device=DEVICE), placements=(placement,)))
        self.assertEqual([s.metadata.get("gradient_norm") for s in self.server.steps], ["2.0", None])

    def test_sharded_parameters(self) -> None:
        try:
            from torch.distributed.fsdp import fully_shard  # noqa: F401
        except ImportError as error:
            self.skipTest(f"FSDP2 is not in this torch: {error}")
        with tempfile.TemporaryDirectory() as folder:
            torch.multiprocessing.spawn(sharded_rank, (folder,), 2)

    def test_what_is_sent_is_what_the_training_dumped(self) -> None:
        script = str(HERE.parents[1] / "test" / "e2e" / "pytorch" / "train.py")
        for package, kind in (("lucidrains", "hc"), ("lucidrains", "mhc"), ("deepseek", "hc"), ("deepseek", "mhc")):
            with self.subTest(package=package, kind=kind), tempfile.TemporaryDirectory() as folder:
                self.server.steps.clear()
                path = os.pathsep.join(p for p in sys.path if p.startswith(str(VERSIONS)))
                command = [sys.executable, script, "--package", package, "--kind", kind, "--steps", "4", "--layers", "3", "--lr", "0.03", "--url", self.server.url, "--dump", folder]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": path})
                self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                for step in self.server.steps:
                    dumped = np.load(pathlib.Path(folder) / f"step-{step.step}.rank0.npy")
                    np.testing.assert_allclose(np.stack([step.tensors[name] for name in step.order]), dumped, atol=5e-5)
                self.assertEqual(len(self.server.steps), 4)


@unittest.skipUnless(DEVICE == "cuda", "needs a GPU and GAINWATCH_DEVICE=cuda")
class Gpu(Case):
    def test_nothing_waits_for_the_device(self) -> None:
        """PyTorch raises at whatever makes the host wait for a stream; the steps are those without a self-check."""
        for package in ("lucidrains", "deepseek"):
            self.server.steps.clear()
            model = model_of(package, "hc")
            monitor = self.watch(model, run=package)
            x = tokens_of()

            def steps(count: int) -> None:
                for _ in range(count):
                    loss = F.cross_entropy(model(x).flatten(0, 1), x.flatten())
                    loss.backward()
                    monitor.step(loss, gradient_norm=loss)

            steps(17)
            wait(lambda: len(self.server.steps) == 17)
            torch.cuda.set_sync_debug_mode("error")
            try:
                steps(10)
                wait(lambda: len(self.server.steps) == 27)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            self.assertEqual(monitor.counters["errors"], 0)
            self.assertGreater(json.loads(self.server.steps[-1].metadata["memory"])["allocated"], 0)
            monitor.close()

    def test_what_is_copied_is_not_written_over(self) -> None:
        """Many steps are under way before the first is sent: each keeps its own."""
        model = model_of("deepseek", "hc")
        with self.watch(model, tokens=24) as monitor, torch.no_grad():
            for step in range(40):
                for layer in model.layers.values():
                    layer.hc_attn_base.fill_(float(step))
                    layer.hc_attn_scale.zero_()
                model(tokens_of())
                monitor.step()
        found = [float(np.mean(step.tensors[step.order[0]])) for step in self.server.steps]
        self.assertEqual(found, [float(step) for step in range(40)])


def sharded_rank(rank: int, folder: str) -> None:
    """Both packages under FSDP2, watched before and after they are sharded."""
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    check, server = Case(), Server()
    for package, whole in (("deepseek", 4 * (24 * 64 + 24 + 3)), ("lucidrains", None)):
        for first in (True, False):
            model = model_of(package, "mhc")
            for p in model.parameters():
                p.data = p.data.reshape(p.shape or 1)  # FSDP2 takes no scalars
            wanted = expected(model, tokens_of(rank))
            server.steps.clear()
            monitor = gainwatch.watch(model, url=server.url) if first else None
            for module in (*model.layers.values(), model):
                fully_shard(module)
            monitor = monitor or gainwatch.watch(model, url=server.url)
            x = tokens_of(rank)
            model(x).sum().backward()
            monitor.step()
            monitor.close()
            check.assert_equal(server.steps[0], wanted)
            check.assertEqual((monitor.orientation, monitor.counters["errors"]), ("as given", 0))
            if whole:
                check.assertAlmostEqual(server.steps[0].tensors["@memory"][0, 0], whole / 2, delta=8)
    torch.distributed.destroy_process_group()


class Monitors(Case):
    """The monitor's death, slowness and return."""

    def timed(self, model: nn.Module, monitor: Any, steps: int) -> float:
        worst = 0.0
        for step in range(steps):
            loss = model(tokens_of(step)).sum()
            started = time.perf_counter()
            monitor.step(loss)
            worst = max(worst, time.perf_counter() - started)
        return worst

    def test_nobody_answers(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model, url="http://127.0.0.1:9", drain_seconds=0.3)
        self.assertLess(self.timed(model, monitor, 50), 0.2)
        started = time.monotonic()
        monitor.close()
        self.assertLess(time.monotonic() - started, 3)
        self.assertGreater(monitor.counters["errors"], 0)

    def test_a_monitor_that_hangs_delays_no_step(self) -> None:
        self.server.behaviour = "hang"
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model, drain_seconds=0.3)
        self.assertLess(self.timed(model, monitor, 50), 0.2)
        monitor.close()

    def test_one_that_comes_back_gets_everything(self) -> None:
        port = self.server.port
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        train(model, monitor, 5)
        wait(lambda: monitor.counters["acknowledged"] == 5)
        first = self.server.steps
        self.server.close()
        train(model, monitor, 5)
        time.sleep(0.3)
        self.server = Server(port)
        self.addCleanup(self.server.close)
        self.server.behaviour = 503
        train(model, monitor, 5)
        time.sleep(0.3)
        self.server.behaviour = "ok"
        monitor.close()
        self.assertEqual(sorted({s.step for s in first + self.server.steps}), list(range(1, 16)))
        self.assertEqual(monitor.counters["acknowledged"], 15)

    def test_what_waits_goes_to_disk_up_to_the_limit(self) -> None:
        self.server.behaviour = 503
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model, memory_limit=20_000, disk_limit=60_000)
        for _ in range(10):
            train(model, monitor, 4)
            time.sleep(0.03)
        wait(lambda: monitor._sender._records.empty() and monitor._sender._spilled > 0)
        time.sleep(0.1)
        folder = pathlib.Path(monitor._sender._spill_dir)
        self.assertTrue(0 < (folder / "spill").stat().st_size <= 60_000)
        dropped = monitor.counters["samples_dropped"]
        self.assertGreater(dropped, 0)
        self.server.behaviour = "ok"
        monitor.close()
        steps = [s.step for s in self.server.steps]
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(len(steps), 40 - monitor.counters["samples_dropped"])
        self.assertFalse(folder.exists())

    def test_the_file_on_disk_does_not_grow_while_it_is_read(self) -> None:
        sender = gainwatch._Sender("http://127.0.0.1:9", "test", None, {"rank": 0}, 0, 4000)
        self.addCleanup(lambda: (sender._spill.close(), shutil.rmtree(sender._spill_dir)))
        body = bytes(1000)
        for _ in range(20):  # one in, one out: it is never empty
            sender._keep("a", body)
            sender._keep("a", body)
            sender._spill.flush()
            self.assertLessEqual(os.path.getsize(sender._spill.name), 4000)
            sender._memory.clear()
            sender._memory_bytes = gainwatch.BATCH_BYTES - 1
            sender._refill()

    def test_the_outcome_is_said_again_where_the_monitor_is_away(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        train(model, monitor, 2)
        wait(lambda: monitor.counters["acknowledged"] == 2)
        self.server.behaviour = 503
        threading.Timer(0.5, lambda: setattr(self.server, "behaviour", "ok")).start()
        monitor.close()
        self.assertEqual(self.server.puts[-1].get("outcome"), "completed")

    def test_a_run_that_is_refused_fills_no_disk(self) -> None:
        self.server.behaviour = 409
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        train(model, monitor, 3)
        wait(lambda: monitor.counters["samples_dropped"] == 3)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_process_sends_nothing_and_waits_for_nothing(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        train(model, monitor, 1)
        with monitor._sender._lock:  # as if the thread held it
            child = os.fork()
            if child == 0:
                monitor._sampler.active = True
                monitor._sampler.record(monitor._connections[0], torch.eye(4)[None], lambda: None)
                monitor.step()
                os._exit(0 if threading.active_count() == 1 else 3)  # threading's own work after a fork was done
        ended: list = []
        waiter = threading.Thread(target=lambda: ended.append(os.waitpid(child, 0)[1]))
        waiter.start()
        waiter.join(5)
        if not ended:
            os.kill(child, signal.SIGKILL)
            waiter.join()
        self.assertEqual(ended, [0])

    def test_a_refused_body_does_not_take_the_others_with_it_nor_come_again(self) -> None:
        self.server.behaviour = 400
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        train(model, monitor, 3)
        wait(lambda: monitor.counters["samples_dropped"] == 3)
        self.server.behaviour = "ok"
        train(model, monitor, 2)
        monitor.close()
        self.assertEqual(len(self.server.steps), 2)

    def test_token_and_warnings(self) -> None:
        self.server.warnings = [{"rule": "gain", "severity": "critical", "connection": "a", "step": 2, "message": "grows"}]
        model = model_of("deepseek", "hc", 1)
        logging.getLogger("gainwatch").setLevel(logging.WARNING)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            monitor = self.watch(model, token="secret")
            train(model, monitor, 2)
            wait(lambda: monitor.counters["acknowledged"] == 2)
            train(model, monitor, 2)
            monitor.close()
        self.assertEqual(len([line for line in logs.output if "grows" in line]), 1)
        self.assertTrue(all(h["Authorization"] == "Bearer secret" for h in self.server.headers))

    def test_it_drains_at_exit(self) -> None:
        code = f"import sys; sys.path[:0] = [{str(HERE)!r}]\nimport test_gainwatch as t, gainwatch\nm = t.model_of('deepseek', 'hc', 1)\nmon = gainwatch.watch(m, url={self.server.url!r})\nt.train(m, mon, 7)\n"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        self.assertEqual([s.step for s in self.server.steps], list(range(1, 8)))
        self.assertEqual(self.server.puts[-1]["outcome"], "unknown")

    def test_what_was_not_sent_is_said_with_the_reason(self) -> None:
        self.server.behaviour = 401
        model = model_of("deepseek", "hc", 1)
        with self.assertLogs("gainwatch", "WARNING") as logs:
            monitor = self.watch(model, drain_seconds=1)
            train(model, monitor, 2)
            monitor.close()
        self.assertRegex(logs.output[-1], r"2 samples were not sent: the monitor did not take them within 1 s \(PUT http\S+: 401 ")

    def test_a_training_that_ends_by_an_exception_says_so(self) -> None:
        for error, outcome in (("RuntimeError('oom')", "failed"), ("KeyboardInterrupt", "interrupted")):
            code = f"import sys; sys.path[:0] = [{str(HERE)!r}]\nimport test_gainwatch as t, gainwatch\nm = t.model_of('deepseek', 'hc', 1)\nmon = gainwatch.watch(m, url={self.server.url!r})\nt.train(m, mon, 2)\nraise {error}\n"
            subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, timeout=60)
            self.assertEqual(self.server.puts[-1]["outcome"], outcome)

    def test_nothing_raises_into_the_loop(self) -> None:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model)
        monitor._sampler.index = None  # type: ignore[assignment,method-assign]
        train(model, monitor, 2)
        monitor.step("not a number", step="neither", learning_rate=object())  # type: ignore[arg-type]
        monitor.close()
        self.assertGreater(monitor.counters["errors"], 0)


if __name__ == "__main__":
    unittest.main()
