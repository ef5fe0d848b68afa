"""Tests of what the sender does with the answers of a monitor, of a stranger and of one of before; and of what it calls its training.
Run as test_gainwatch.py, whose server and models they use.
"""
from __future__ import annotations

import email.utils
import hashlib
import json
import logging
import os
import pathlib
import random
import struct
import tempfile
import threading
import time
import unittest
from collections import Counter
from typing import Any
from unittest import mock

import test_gainwatch as shared
from test_gainwatch import JSON, Case, Server, gainwatch, model_of, torch, train, wait

SECRET = "SECRET0123456789"
HTML = {"Content-Type": "text/html"}
ENVIRONMENT = ("GAINWATCH_RUN", "GAINWATCH_KEY", "GAINWATCH_ATTEMPT", "GAINWATCH_TOKEN", "GAINWATCH_TOKEN_FILE", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID")


def refusal(rule: str, field: str = "run", **more: Any) -> bytes:
    return json.dumps({"error": {"field": field, "rule": rule, "value": "test", **more}}).encode()


def in_another_training(free: str) -> tuple:
    return 409, JSON, refusal(f"must not be one that goes on in another training; choose another name: {free} is free", free=free)


def numbers_of(data: bytes) -> list:
    """The steps of a body, whichever it is."""
    if data[:1] == b"{":
        return []
    if data[8:9] == b"{":
        return [shared.parse(data).step]
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(shared.parse(data[at + 8 : at + 8 + length]).step)
        at += 8 + length
    return found


class Sending(Case):
    def setUp(self) -> None:
        super().setUp()
        clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
        self.enterContext_(mock.patch.dict(os.environ, clean, clear=True))
        self.lines: list = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("gainwatch").setLevel(logging.INFO)
        logging.getLogger("gainwatch").addHandler(handler)
        self.addCleanup(logging.getLogger("gainwatch").removeHandler, handler)
        logging.getLogger("gainwatch").propagate = False
        self.addCleanup(setattr, logging.getLogger("gainwatch"), "propagate", True)

    def enterContext_(self, context: Any) -> Any:  # enterContext is of Python 3.11
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def start(self, steps: int = 0, **options: Any) -> tuple:
        model = model_of("deepseek", "hc", 1)
        monitor = self.watch(model, **options)
        train(model, monitor, steps)
        return model, monitor

    def said(self, text: str) -> int:
        return len([line for line in self.lines if text in line])

    def arrived(self) -> list:
        return sorted(step.step for step in self.server.steps)


class Answers(Sending):
    def check_kept(self, answer: Any, steps: int = 3, **options: Any) -> None:
        """What is answered so is not taken for an acknowledgement; all of it arrives later, once."""
        self.server.behaviour = answer
        _, monitor = self.start(steps, **options)
        wait(lambda: len(self.server.paths) >= 2)
        self.assertEqual(monitor.counters["acknowledged"], 0)
        self.server.behaviour = "ok"
        monitor.close()
        self.assertEqual(self.arrived(), list(range(1, steps + 1)))
        self.assertEqual((monitor.counters["acknowledged"], monitor.counters["samples_dropped"]), (steps, 0))

    def test_no_redirect_is_followed_and_where_to_is_said_once_without_the_token(self) -> None:
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status=status):
                self.server.steps.clear(), self.server.paths.clear(), self.lines.clear()
                other = Server()
                self.addCleanup(other.close)
                to = f"http://user:{SECRET}@127.0.0.1:{other.port}/login?token={SECRET}"
                self.check_kept(lambda *_: (status, {"Location": to}, b""), token=SECRET)
                self.assertEqual((other.paths, other.headers), ([], []))
                self.assertEqual(self.said(f"http://127.0.0.1:{other.port}: redirects are not followed"), 1)
                self.assertEqual(self.said("SECRET"), 0)

    def test_only_an_answer_of_a_monitor_is_an_acknowledgement(self) -> None:
        steps = {"accepted": 3, "duplicates": 0, "late": 0, "composite_gain": None, "warnings": []}
        for answer in (
            (200, HTML, b"<html>Accept the terms</html>"),
            (200, HTML, json.dumps({**steps, "run": "test"}).encode()),
            (200, JSON, b"{}"),
            (200, JSON, b"[]"),
            (200, JSON, b'"ok"'),
            (200, JSON, b'{"accepted": true, "duplicates": 0, "late": 0}'),
            (200, JSON, b'{"accepted": -1, "duplicates": 0, "late": 0}'),
            (200, JSON, b"{"),
            (200, JSON, b"[" * 100_000),
            (204, {}, b""),
        ):
            with self.subTest(answer=answer[:2] + (answer[2][:40],)):
                self.server.steps.clear(), self.server.paths.clear()
                self.check_kept(lambda *_, answer=answer: answer)
        self.assertGreater(self.said("that gainwatch serve does not say"), 0)

    def test_what_a_proxy_or_a_login_answers_is_kept(self) -> None:
        for status in (401, 402, 403, 404, 405, 408, 421, 429, 500, 502, 503, 504):
            with self.subTest(status=status):
                self.server.steps.clear(), self.server.paths.clear()
                self.check_kept(lambda *_, status=status: (status, HTML, b"<html>no</html>"))

    def test_the_token_is_in_no_line_whoever_says_it(self) -> None:
        body = f'the token "{SECRET}" of http://user:{SECRET}@host/?token={SECRET} (Bearer {SECRET})\nis wrong'.encode()
        for status, headers in ((401, HTML), (400, JSON), (200, HTML), (500, {"Content-Type": f"x/{SECRET}"}), (302, {"Location": f"http://{SECRET}@h/{SECRET}"}), (302, {"Location": f"http://[{SECRET}"}), (302, {"Location": f"http://{SECRET}\u2100.x".encode().decode("latin1")})):
            self.server.behaviour = lambda *_, answer=(status, headers, body): answer
            _, monitor = self.start(2, token=SECRET, drain_seconds=0.5)
            monitor.close()
        self.server.behaviour = lambda *_: (400, JSON, refusal(f"must not be {SECRET}", SECRET))
        self.start(2, token=SECRET)[1].close()
        self.assertGreater(len(self.lines), 6)
        self.assertEqual([line for line in self.lines if "SECRET" in line or "\n" in line], [])

    def test_one_step_that_is_refused_takes_no_other_with_it_and_the_rule_is_said(self) -> None:
        rule = "must not be one that was put together without this rank"
        for status in (400, 409, 413, 415, 422):
            with self.subTest(status=status):
                self.server.steps.clear(), self.lines.clear()
                self.server.behaviour = lambda method, path, data, s=status: (s, JSON, refusal(rule, "step")) if 3 in numbers_of(data) else None
                _, monitor = self.start(6)
                monitor.close()
                self.assertEqual(self.arrived(), [1, 2, 4, 5, 6])
                self.assertEqual((monitor.counters["acknowledged"], monitor.counters["samples_dropped"]), (5, 1))
                self.assertEqual(self.said(rule), 1)

    def test_what_was_taken_before_a_failure_is_not_sent_again(self) -> None:
        """Of a batch that is halved, the first half is taken and the second fails."""
        bad = [True]
        self.server.behaviour = lambda method, path, data: (400, JSON, refusal("no", "step")) if len(numbers_of(data)) > 2 else (503, JSON, refusal("later")) if 4 in numbers_of(data) and bad else None
        _, monitor = self.start(4)
        wait(lambda: 1 in self.arrived())
        bad.clear()
        monitor.close()
        self.assertEqual(self.arrived(), [1, 2, 3, 4])

    def test_a_body_that_is_refused_before_all_of_it_came_is_heard(self) -> None:
        """413 with the connection closed at once."""
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]

            def refuse() -> None:
                connection, _ = listening.accept()
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                time.sleep(0.2)
                connection.close()

            threading.Thread(target=refuse, daemon=True).start()
            exchange = gainwatch._Exchange(f"http://127.0.0.1:{port}", "POST", "/x", bytes(30 << 20), {})
            exchange.run()
        self.assertEqual(exchange.status, 413, exchange.error)

    def test_a_slow_answer_is_waited_for(self) -> None:
        """The server waits for other ranks and its disk up to 20 s; the sender of before gave up after 5."""
        self.server.behaviour = lambda method, *_: time.sleep(6 if method == "POST" else 0)
        _, monitor = self.start(2)
        wait(lambda: monitor.counters["acknowledged"] == 2)
        self.assertEqual((self.arrived(), monitor.counters["errors"]), ([1, 2], 0))
        self.server.behaviour = "ok"

    def test_while_an_answer_is_waited_for_records_are_taken_in(self) -> None:
        self.server.behaviour = "hang"
        model, monitor = self.start(1, drain_seconds=0.3, memory_limit=1 << 20)
        wait(lambda: self.server.paths)
        for _ in range(20):
            train(model, monitor, 40)
            wait(monitor._sender._records.empty)
        self.assertEqual(monitor.counters["samples_dropped"], 0)
        self.assertGreater(monitor._sender._spilled, 0)
        started = time.monotonic()
        monitor.close()
        self.assertLess(time.monotonic() - started, 5)

    def test_an_endless_answer_ends(self) -> None:
        for answer in ((200, {**JSON, "Content-Length": str(10**9)}, b"{"), (200, {"Content-Length": str(10**9), **JSON}, b" " * (5 << 20))):
            self.server.behaviour = lambda *_, answer=answer: answer
            with mock.patch.object(gainwatch, "TIMEOUT_SECONDS", 0.5):
                _, monitor = self.start(2, drain_seconds=2)
                monitor.close()
            self.assertEqual(monitor.counters["acknowledged"], 0)

    def test_late_of_a_monitor_of_before_is_heard(self) -> None:
        def behaviour(method: str, path: str, data: bytes) -> Any:
            late = len([number for number in numbers_of(data) if number in (2, 3)])
            answer = {"accepted": len(numbers_of(data)) - late, "duplicates": 0, "late": late, "composite_gain": None, "warnings": []}
            return (200, JSON, json.dumps(answer).encode()) if method == "POST" else None

        self.server.behaviour = behaviour
        _, monitor = self.start(5)
        monitor.close()
        self.assertEqual((monitor.counters["acknowledged"], monitor.counters["samples_dropped"]), (3, 2))
        self.assertEqual(self.said("steps came after theirs was put together without them"), 1)


class RetryAfter(Sending):
    def asked(self, text: str, **headers: str) -> Any:
        exchange = gainwatch._Exchange("http://x", "GET", "/", b"", {})
        exchange.answer = {"Retry-After": text, **headers}
        return exchange.retry_after()

    def test_seconds_and_dates_are_understood_and_bounded(self) -> None:
        self.assertEqual([self.asked(text) for text in ("0", "7", " 12 ", "100000")], [0, 7, 12, gainwatch.MAX_RETRY_AFTER_SECONDS])
        for text in ("", "soon", "-3", "1.5", "Fri, 99 Foo 2026", "9" * 40, "²", "nan"):
            self.assertIsNone(self.asked(text), text)
        date = email.utils.formatdate
        self.assertEqual(self.asked(date(1000), Date=date(970)), 30)  # however wrong the clock is here
        self.assertEqual(self.asked(date(900), Date=date(970)), 0)
        self.assertAlmostEqual(self.asked(date(time.time() + 30, usegmt=True)), 30, delta=2)

    def test_it_is_waited_for_and_not_by_all_ranks_alike(self) -> None:
        times: list = []

        def behaviour(*_: Any) -> Any:
            times.append(time.monotonic())
            return (503, {**JSON, "Retry-After": "1"}, refusal("must wait")) if len(times) == 1 else None

        self.server.behaviour = behaviour
        model, monitor = self.start()
        monitor._sender._chance = lambda: 0.5
        train(model, monitor, 2)
        wait(lambda: monitor.counters["acknowledged"] == 2)
        self.assertGreaterEqual(times[1] - times[0], 1.2)

    def test_the_chance_of_the_training_is_left_alone(self) -> None:
        self.server.behaviour = 503
        before = random.getstate()
        _, monitor = self.start(2, drain_seconds=1, run=None)
        wait(lambda: len(self.server.paths) >= 3)
        monitor.close()
        self.assertEqual(random.getstate(), before)

    def test_a_closing_sender_waits_no_longer_than_it_may_and_tries_a_last_time(self) -> None:
        for begun in (True, False):  # is it closed after, or before it is asked to wait?
            with self.subTest(begun=begun):
                self.server.steps.clear(), self.server.paths.clear()
                answers = [(503, {**JSON, "Retry-After": "200"}, refusal("must wait"))]
                self.server.behaviour = lambda *_, answers=answers: answers.pop() if answers else None
                _, monitor = self.start(2, drain_seconds=2.5)
                if begun:
                    wait(lambda: len(self.server.paths) == 1)
                    time.sleep(0.2)
                monitor.close()
                self.assertEqual((self.arrived(), monitor.counters["acknowledged"]), ([1, 2], 2))

    def test_a_closing_sender_that_is_refused_pauses_between_its_tries(self) -> None:
        self.server.behaviour = 401
        _, monitor = self.start(2, drain_seconds=4)
        before = len(self.server.paths)
        monitor.close()
        self.assertLessEqual(len(self.server.paths) - before, 8)  # one at once, then each second, and the last


class Addresses(Sending):
    def test_one_with_a_secret_or_more_than_an_address_is_refused_without_repeating_it(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for url in (
            f"http://h:9464/?token={SECRET}", f"http://h:9464/?{SECRET}", f"http://h:9464?token={SECRET}", "http://h:9464/?", "http://h:9464/#run=hc", f"http://h/#{SECRET}",
            f"http://user:{SECRET}@h:9464", f"http://{SECRET}@h:9464/", f"http://user:{SECRET}@h:9464/?token={SECRET}#x", f"http://user:{SECRET}/a@h/?key={SECRET}\n{SECRET}",
        ):  # fmt: skip
            with self.subTest(url=url), self.assertRaisesRegex(ValueError, r"^url: must be http://host:port.*(without .*GAINWATCH_TOKEN|@h/\?…)") as raised:
                gainwatch.watch(model, url=url)
            with self.subTest(url=url, env=True), mock.patch.dict(os.environ, GAINWATCH_URL=url), self.assertRaisesRegex(ValueError, "^url: "):
                gainwatch.watch(model)
            self.assertNotIn("SECRET", str(raised.exception))
        for bad in ("h:9464", "//h", "ftp://h", "http://", "http://h:0", "http://h:x", "http://h:99999", "http://a b", "http://h/a b", "http://h/ä", "http://h\\@x/", "http://h/\r\nX: y", "http://[::1", 5, b"http://h"):
            with self.subTest(bad=bad), self.assertRaisesRegex(ValueError, "^url: must be http://host:port"):
                gainwatch.watch(model, url=bad)

    def test_a_path_is_part_of_it(self) -> None:
        for path in ("/", "/base", "/base/", "/a/b%20c/"):
            self.server.paths.clear()
            self.start(1, url=f" {self.server.url}{path}\n")[1].close()
            self.assertEqual({p for _, p in self.server.paths}, {f"{path.rstrip('/')}/api/v1/runs/test", f"{path.rstrip('/')}/api/v1/runs/test/steps"})

    def test_a_token_that_is_no_header_is_refused_without_repeating_it(self) -> None:
        model = model_of("deepseek", "hc", 1)
        for bad in (f"{SECRET}\n", f"{SECRET}\r\nX: y", f"a {SECRET}", f"{SECRET}\0", f"{SECRET}ä", 5):
            with self.subTest(bad=bad), self.assertRaisesRegex(ValueError, "^token: must be printable") as raised:
                gainwatch.watch(model, url=self.server.url, token=bad)
            self.assertNotIn("SECRET", str(raised.exception))
        with mock.patch.dict(os.environ, GAINWATCH_TOKEN=f"a {SECRET}"), self.assertRaisesRegex(ValueError, "^GAINWATCH_TOKEN: must be printable") as raised:
            gainwatch.watch(model, url=self.server.url)
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, GAINWATCH_TOKEN_FILE=f"{folder}/token"):
            for content in (b"\xff\xfe" + SECRET.encode(), f"{SECRET}\n{SECRET}".encode()):
                pathlib.Path(folder, "token").write_bytes(content)
                with self.assertRaisesRegex(ValueError, "^GAINWATCH_TOKEN_FILE: must be") as raised:
                    gainwatch.watch(model, url=self.server.url)
                self.assertNotIn("SECRET", str(raised.exception))
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, GAINWATCH_TOKEN_FILE=f"{folder}/token"):
            path = pathlib.Path(folder, "token")
            path.write_text(f"{SECRET}\n")
            for mode, said in ((0o600, 0), (0o644, 1)):
                path.chmod(mode)
                self.lines.clear()
                self.start(1)[1].close()
                self.assertEqual((self.said(f"others on this machine may read {path}"), self.said("SECRET")), (said, 0))
            self.assertEqual({headers["Authorization"] for headers in self.server.headers}, {f"Bearer {SECRET}"})
        with self.assertRaisesRegex(ValueError, "^tokn: no such option") as raised:
            gainwatch.watch(model, tokn=SECRET)
        self.assertNotIn("SECRET", str(raised.exception))


class Names(Sending):
    def names(self, run: Any = None, attempt: Any = None, key: Any = None, rank: int = 0, world_size: int = 1, **environment: str) -> Any:
        with mock.patch.dict(os.environ, environment), mock.patch.object(gainwatch, "_watched", 0):
            return gainwatch._names(run, attempt, key, rank, world_size)

    def test_trainings_of_no_name_have_names_and_keys_of_their_own(self) -> None:
        found = [self.names() for _ in range(50)]
        self.assertGreater(len({n.run for n in found}), 45)
        self.assertEqual(len({n.key for n in found}), 50)
        self.assertEqual(len({n.attempt for n in found}), 50)
        for n in found:
            self.assertRegex(n.run, r"^train-\d{8}-\d{4}-[0-9a-f]{4}$")
            self.assertRegex(n.key, r"^[0-9a-f]{32}$")

    def test_a_restart_of_torchrun_goes_on_in_the_run_with_its_key_and_another_attempt(self) -> None:
        found = [self.names(rank=r, world_size=2, TORCHELASTIC_RUN_ID="job/42", TORCHELASTIC_RESTART_COUNT=c) for c in "01" for r in (0, 1)]
        self.assertEqual({n.key for n in found}, {hashlib.sha256(b"gainwatch key job/42").hexdigest()})
        self.assertEqual(len({n.run for n in found}), 1)
        self.assertEqual([n.attempt for n in found], ["job_42.0.1", "job_42.0.1", "job_42.1.1", "job_42.1.1"])
        self.assertNotEqual(self.names(TORCHELASTIC_RUN_ID="job_42").run, found[0].run)
        self.assertNotEqual(self.names(TORCHELASTIC_RUN_ID="none").key, self.names(TORCHELASTIC_RUN_ID="none").key)
        long = {self.names(TORCHELASTIC_RUN_ID="j" * 200 + end).run for end in "ab"}
        self.assertEqual([len(long), {bool(gainwatch.RUN.fullmatch(run)) for run in long}], [2, {True}])

    def test_ranks_that_know_an_attempt_know_the_key_and_the_run(self) -> None:
        a, b = (self.names(attempt="start-1", rank=r, world_size=2) for r in (0, 1))
        self.assertEqual(a, b)
        self.assertEqual((a.run, a.attempt, a.key), ("train-start-1", "start-1", hashlib.sha256(b"gainwatch key start-1").hexdigest()))

    def test_a_job_of_slurm_is_no_training(self) -> None:
        a, b = (self.names(SLURM_JOB_ID="42") for _ in "ab")
        self.assertNotEqual(a.key, b.key)

    def test_the_ranks_of_a_process_group_have_what_rank_0_made(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            torch.multiprocessing.spawn(naming_rank, (folder,), 2)
            found = [json.loads(pathlib.Path(folder, str(rank)).read_text()) for rank in (0, 1)]
        self.assertEqual(found[0], found[1])
        self.assertEqual(len({key for _, _, key in found[0]}), 3)  # of rank 0: a given one too
        self.assertEqual(found[0][2][2], "given-by-rank-0")

    def test_the_key_goes_with_every_request_and_is_read_from_the_monitor(self) -> None:
        for how in ({"key": "of-the-checkpoint"}, {}, None):
            self.server.headers.clear()
            with mock.patch.dict(os.environ, {} if how is not None else {"GAINWATCH_KEY": "of-the-environment", "GAINWATCH_RUN": "named"}):
                _, monitor = self.start(2, **({"run": None} if how is None else how))
            monitor.close()
            self.assertEqual({headers.get("Gainwatch-Key") for headers in self.server.headers}, {monitor.key})
            self.assertEqual(len(self.server.headers), 3)
            self.assertEqual(monitor.key, (how or {}).get("key", monitor.key if how is not None else "of-the-environment"))
        self.assertEqual(monitor.run, "named")
        for bad in ("short", "a" * 129, "with space", "line\nend", 12345678):
            with self.assertRaisesRegex(ValueError, "^key: must be 8 to 128"):
                gainwatch.watch(model_of("deepseek", "hc", 1), key=bad)

    def test_what_resumes_has_the_run_and_the_key(self) -> None:
        _, monitor = self.start(1, run=None)
        checkpoint = {"run": monitor.run, "key": monitor.key}
        monitor.close()
        _, again = self.start(1, **checkpoint)
        self.assertEqual(({"run": again.run, "key": again.key}, again.attempt == monitor.attempt), (checkpoint, False))


def naming_rank(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    given = "given-by-rank-0" if rank == 0 else None
    names = [gainwatch._names(None, None, None, rank, 2), gainwatch._names("hc", None, None, rank, 2), gainwatch._names(None, None, given, rank, 2)]
    pathlib.Path(folder, str(rank)).write_text(json.dumps(names))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


class AnotherTraining(Sending):
    """Its name is that of a run that goes on in another training."""

    def setUp(self) -> None:
        super().setUp()
        for name, value in (("TAKEN_ASK_SECONDS", 0.1), ("TAKEN_SECONDS", 1.0)):
            self.enterContext_(mock.patch.object(gainwatch, name, value))

    def taken(self, *names: str) -> Any:
        """Answers that these go on elsewhere."""
        return lambda method, path, data: in_another_training(f"{names[-1]}-2") if path.split("/")[4] in names else None

    def of(self, run: str) -> Counter:
        return Counter((method, path.split("/")[-1] == "steps") for method, path in self.server.paths if path.split("/")[4] == run)

    def test_it_asks_again_and_then_goes_over_to_the_free_name_with_all_it_has(self) -> None:
        self.server.behaviour = self.taken("test")
        model, monitor = self.start(3)
        wait(lambda: self.of("test")["PUT", False] >= 3)
        self.assertEqual((monitor.run, monitor.counters["acknowledged"], self.server.steps), ("test", 0, []))
        train(model, monitor, 2)
        wait(lambda: monitor.counters["acknowledged"] == 5)
        self.assertEqual((monitor.run, self.arrived(), monitor.counters["samples_dropped"]), ("test-2", [1, 2, 3, 4, 5], 0))
        monitor.close()
        self.assertEqual(self.server.puts[-1]["outcome"], "completed")
        self.assertEqual(self.of("test")["POST", True], 0)  # no steps to ask with
        self.assertEqual((self.said("goes on in ANOTHER TRAINING"), self.said("is sent as run test-2 from now on")), (1, 1))

    def test_it_gets_the_name_where_the_other_ends_meanwhile(self) -> None:
        self.server.behaviour = self.taken("test")
        _, monitor = self.start(3)
        wait(lambda: self.of("test")["PUT", False] >= 2)
        self.server.behaviour = "ok"
        wait(lambda: monitor.counters["acknowledged"] == 3)
        monitor.close()
        self.assertEqual((monitor.run, self.said("is this training's now"), self.of("test-2")), ("test", 1, Counter()))

    def test_closed_meanwhile_it_goes_over_at_once(self) -> None:
        with mock.patch.object(gainwatch, "TAKEN_ASK_SECONDS", 60.0):
            for before in (True, False):
                with self.subTest(before=before):
                    self.server.steps.clear(), self.server.paths.clear()
                    self.server.behaviour = self.taken("test", "test-2")  # and the next of another, as it turns out
                    self.server.behaviour = lambda m, path, d: {"test": in_another_training("test-2"), "test-2": in_another_training("test-3")}.get(path.split("/")[4])
                    _, monitor = self.start(3, drain_seconds=5)
                    if before:
                        wait(lambda: self.said("goes on in ANOTHER TRAINING") > 0)
                    monitor.close()
                    self.assertEqual((monitor.run, self.arrived(), monitor.counters["acknowledged"]), ("test-3", [1, 2, 3], 3))
                    self.assertEqual(self.server.puts[-1]["outcome"], "completed")

    def test_one_that_was_its_own_and_no_longer_is(self) -> None:
        """A monitor that has lost its memory, or a long silence."""
        model, monitor = self.start(3)
        wait(lambda: monitor.counters["acknowledged"] == 3)
        self.server.behaviour = self.taken("test")
        train(model, monitor, 3)
        wait(lambda: monitor.counters["acknowledged"] == 6)
        monitor.close()
        self.assertEqual((monitor.run, self.arrived()), ("test-2", [1, 2, 3, 4, 5, 6]))
        self.assertEqual([(p["state"], path) for p, path in zip(self.server.puts, ("test", "test-2", "test-2"))], [("open", "test"), ("open", "test-2"), ("closed", "test-2")])

    def test_with_nothing_left_to_send_no_other_run_is_begun(self) -> None:
        _, monitor = self.start(3)
        wait(lambda: monitor.counters["acknowledged"] == 3)
        self.server.behaviour = self.taken("test")
        monitor.close()
        self.assertEqual((self.of("test-2"), monitor.run), (Counter(), "test"))

    def test_what_is_no_name_is_not_gone_over_to(self) -> None:
        self.server.behaviour = lambda method, path, data: (409, JSON, refusal("no", free="../x")) if method == "POST" else None
        _, monitor = self.start(1)
        monitor.close()
        self.assertEqual((monitor.run, monitor.counters["samples_dropped"]), ("test", 1))


class EarlierMonitor(Sending):
    """As `gainwatch serve` of commit 89d26e0 answers: it knows no key and no `free`, takes what is late with 200, ends a run's attempt
    with another's first step, and waits with 503 and no reason but the disk."""

    def test_it_is_sent_all_and_its_answers_are_heard(self) -> None:
        known: dict = {"attempt": None, "past": set()}
        asked = []

        def behaviour(method: str, path: str, data: bytes) -> Any:
            asked.append(path)
            if len(asked) == 3:
                rule = "could not be committed yet (stages that nothing is heard of, a disk that refuses): send it again"
                return 503, {**JSON, "Retry-After": "2"}, refusal(rule, "body")
            if method == "PUT":
                state = json.loads(data)
                if state["attempt"] in known["past"]:
                    return 409, JSON, refusal("must not be one before the current", "attempt")
                if state["state"] == "open" and state["attempt"] != known["attempt"]:
                    known["past"].add(known["attempt"])
                    known["attempt"] = state["attempt"]
                self.server.puts.append(state)
                return 200, JSON, b'{"run":"test","attempt":null}'
            numbers = numbers_of(data)
            counts = {"accepted": len(numbers), "duplicates": 0, "late": 0}
            if known["attempt"] == "stranger":
                counts = {"accepted": 0, "duplicates": 0, "late": len(numbers)}
            else:
                self.server.steps.extend(numbers)
            return 200, JSON, json.dumps({**counts, "composite_gain": 1.25, "warnings": []}).encode()

        self.server.behaviour = behaviour
        model, monitor = self.start(4)
        wait(lambda: monitor.counters["acknowledged"] == 4)
        train(model, monitor, 2)
        wait(lambda: monitor.counters["acknowledged"] == 6)
        self.assertEqual(self.server.steps, [1, 2, 3, 4, 5, 6])
        known["past"].add(known["attempt"])
        known["attempt"] = "stranger"
        train(model, monitor, 3)
        wait(lambda: monitor.counters["samples_dropped"] == 3)
        monitor.close()
        self.assertEqual(self.said("steps came after theirs was put together without them"), 1)


if __name__ == "__main__":
    unittest.main()
