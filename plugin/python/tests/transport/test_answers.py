"""What the sender does with the answers of a monitor, of a stranger, and of a monitor of before."""

from __future__ import annotations

import json
import time
from typing import Any, Optional

from gainwatch.transport import timing

from ..support import JSON, Answer, Server, numbers_of, refusal, wait
from .sending import HTML, SECRET, Sending


class Kept(Sending):
    """What is no acknowledgement: all of it arrives later, once."""

    def check_kept(self, answer: Any, **options: Any) -> None:
        self.server.forget()
        self.server.behaviour = answer
        sender = self.start(3, **options)
        wait(lambda: len(self.server.paths) >= 2)
        self.assertEqual(sender.acknowledged, 0)
        self.server.behaviour = "ok"
        self.close(sender)
        self.assertEqual(self.server.arrived(), [1, 2, 3])
        self.assertEqual((sender.acknowledged, sender.dropped), (3, 0))

    def test_no_redirect_is_followed_and_where_to_is_said_once_without_the_token(self) -> None:
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status=status):
                self.noted.forget()
                other = Server()
                self.addCleanup(other.close)
                to = f"http://user:{SECRET}@127.0.0.1:{other.port}/login?token={SECRET}"
                self.check_kept(
                    lambda *_, s=status, to=to: (s, {"Location": to}, b""), token=SECRET
                )
                self.assertEqual((other.paths, other.headers), ([], []))
                self.assertEqual(
                    self.noted.said(f"http://127.0.0.1:{other.port}: redirects are not followed"), 1
                )
                self.assertEqual(self.noted.said("SECRET"), 0)

    def test_only_an_answer_of_a_monitor_is_an_acknowledgement(self) -> None:
        steps: dict[str, Any] = {
            "accepted": 3,
            "duplicates": 0,
            "late": 0,
            "composite_gain": None,
            "warnings": [],
        }
        answers: list[Answer] = [
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
        ]
        for answer in answers:
            with self.subTest(answer=answer[:2] + (answer[2][:40],)):
                self.check_kept(lambda *_, answer=answer: answer)
        self.assertGreater(self.noted.said("that gainwatch serve does not say"), 0)

    def test_what_a_proxy_or_a_login_answers_is_kept(self) -> None:
        for status in (401, 402, 403, 404, 405, 408, 421, 429, 500, 502, 503, 504):
            with self.subTest(status=status):
                self.check_kept(lambda *_, status=status: (status, HTML, b"<html>no</html>"))

    def test_an_endless_answer_ends(self) -> None:
        self.patch(timing, "TIMEOUT_SECONDS", 0.5)
        endless: list[Answer] = [
            (200, {**JSON, "Content-Length": str(10**9)}, b"{"),
            (200, {**JSON, "Content-Length": str(10**9)}, b" " * (5 << 20)),
        ]
        for answer in endless:
            self.server.behaviour = lambda *_, answer=answer: answer
            sender = self.start(2)
            started = time.monotonic()
            self.close(sender, 2)
            self.assertLess(time.monotonic() - started, 4)
            self.assertEqual(sender.acknowledged, 0)

    def test_an_answer_byte_by_byte_ends_with_the_deadline_of_all_of_it(self) -> None:
        """Each byte comes within any time-out of a single one."""
        self.patch(timing, "TIMEOUT_SECONDS", 0.6)

        def trickle(*_: Any) -> Answer:
            return 200, {**JSON, "Content-Length": "100"}, b""

        self.server.behaviour = trickle
        self.server.trickle = True
        sender = self.start(1)
        wait(lambda: sender.errors >= 2, 5)
        self.assertIn("no answer within", sender.reason)
        self.server.trickle = False
        self.server.behaviour = "ok"
        wait(lambda: sender.acknowledged == 1)


class Refused(Sending):
    def test_the_token_is_in_no_line_whoever_says_it(self) -> None:
        text = f'the token "{SECRET}" of http://user:{SECRET}@host/?token={SECRET} (Bearer {SECRET})\nis wrong'.encode()
        strange = f"http://{SECRET}\u2100.x".encode().decode("latin1")
        answers: list[tuple[int, dict[str, str]]] = [
            (401, HTML),
            (400, JSON),
            (200, HTML),
            (500, {"Content-Type": f"x/{SECRET}"}),
            (302, {"Location": f"http://{SECRET}@h/{SECRET}"}),
            (302, {"Location": f"http://[{SECRET}"}),
            (302, {"Location": strange}),
        ]
        for status, headers in answers:
            self.server.behaviour = lambda *_, answer=(status, headers, text): answer
            self.close(self.start(2, token=SECRET), 0.5)
        self.server.behaviour = lambda *_: (400, JSON, refusal(f"must not be {SECRET}", SECRET))
        sender = self.start(2, token=SECRET)
        self.close(sender)
        self.assertGreater(len(self.noted.lines), 6)
        self.assertEqual(
            [
                line
                for line in [*self.noted.lines, sender.reason]
                if "SECRET" in line or "\n" in line
            ],
            [],
        )

    def test_one_step_that_is_refused_takes_no_other_with_it_and_the_rule_is_said(self) -> None:
        rule = "must not be one that was put together without this rank"
        for status in (400, 409, 413, 415, 422):
            with self.subTest(status=status):
                self.server.forget()
                self.noted.forget()

                def refuse(_m: str, _p: str, data: bytes, status: int = status) -> Optional[Answer]:
                    return (status, JSON, refusal(rule, "step")) if 3 in numbers_of(data) else None

                self.server.behaviour = refuse
                sender = self.start(6)
                self.close(sender)
                self.assertEqual(self.server.arrived(), [1, 2, 4, 5, 6])
                self.assertEqual((sender.acknowledged, sender.dropped), (5, 1))
                self.assertEqual(self.noted.said(rule), 1)

    def test_what_was_taken_before_a_failure_is_not_sent_again(self) -> None:
        """Of a batch that is halved, the first half is taken and the second fails."""
        bad = [True]

        def behaviour(_m: str, _p: str, data: bytes) -> Optional[Answer]:
            if len(numbers_of(data)) > 2:
                return 400, JSON, refusal("no", "step")
            return (503, JSON, refusal("later")) if 4 in numbers_of(data) and bad else None

        self.server.behaviour = behaviour
        sender = self.start(4)
        wait(lambda: 1 in self.server.arrived())
        bad.clear()
        self.close(sender)
        self.assertEqual(self.server.arrived(), [1, 2, 3, 4])

    def test_what_is_too_much_at_once_is_sent_in_smaller_batches_from_then_on(self) -> None:
        sizes: list[int] = []

        def behaviour(_m: str, _p: str, data: bytes) -> Optional[Answer]:
            sizes.append(len(numbers_of(data)))
            return (
                (413, JSON, refusal("must have at most 3 steps", "body")) if sizes[-1] > 3 else None
            )

        self.server.behaviour = behaviour
        sender = self.start(12)
        wait(lambda: sender.acknowledged == 12)
        failed = sender.errors
        self.train(sender, 12, 13)
        self.close(sender)
        self.assertEqual(self.server.arrived(), list(range(1, 25)))
        self.assertEqual((sender.dropped, sender.errors), (0, failed))

    def test_a_run_that_is_refused_keeps_nothing(self) -> None:
        self.server.behaviour = 409
        sender = self.start(3)
        wait(lambda: sender.dropped == 3)

    def test_late_of_a_monitor_of_before_is_heard(self) -> None:
        def behaviour(method: str, _path: str, data: bytes) -> Optional[Answer]:
            late = len([number for number in numbers_of(data) if number in (2, 3)])
            answer: dict[str, Any] = {
                "accepted": len(numbers_of(data)) - late,
                "duplicates": 0,
                "late": late,
                "composite_gain": None,
                "warnings": [],
            }
            return (200, JSON, json.dumps(answer).encode()) if method == "POST" else None

        self.server.behaviour = behaviour
        sender = self.start(5)
        self.close(sender)
        self.assertEqual((sender.acknowledged, sender.dropped), (3, 2))
        self.assertEqual(
            self.noted.said("steps came after theirs was put together without them"), 1
        )

    def test_warnings_are_said_once_and_again_where_they_grow_worse(self) -> None:
        warning = {
            "rule": "gain",
            "severity": "warning",
            "connection": "a",
            "step": 2,
            "message": "grows",
        }
        self.server.warnings = [warning, "strange"]  # type: ignore[list-item]
        sender = self.start(2, token="secret")
        wait(lambda: sender.acknowledged == 2)
        self.server.warnings = [{**warning, "severity": "critical"}]
        self.train(sender, 2, 3)
        self.close(sender)
        self.assertEqual(
            [line for line in self.noted.lines if "grows" in line],
            [f"{s} gain at step 2, a: grows" for s in ("warning", "critical")],
        )
        self.assertEqual({h["Authorization"] for h in self.server.headers}, {"Bearer secret"})


class EarlierMonitor(Sending):
    """As `gainwatch serve` of commit 89d26e0 answers: it knows no key and no `free`, takes what is late with 200, ends a run's attempt
    with another's first step, and waits with 503 and no reason but the disk."""

    def test_it_is_sent_all_and_its_answers_are_heard(self) -> None:
        current: list[Optional[str]] = [None]
        past: set[Optional[str]] = set()
        asked: list[str] = []
        steps: list[int] = []

        def behaviour(method: str, path: str, data: bytes) -> Answer:
            asked.append(path)
            if len(asked) == 3:
                rule = "could not be committed yet (stages that nothing is heard of, a disk that refuses): send it again"
                return 503, {**JSON, "Retry-After": "2"}, refusal(rule, "body")
            if method == "PUT":
                state = json.loads(data)
                if state["attempt"] in past:
                    return 409, JSON, refusal("must not be one before the current", "attempt")
                if state["state"] == "open" and state["attempt"] != current[0]:
                    past.add(current[0])
                    current[0] = state["attempt"]
                return 200, JSON, b'{"run":"test","attempt":null}'
            numbers = numbers_of(data)
            counts = {"accepted": len(numbers), "duplicates": 0, "late": 0}
            if current[0] == "stranger":
                counts = {"accepted": 0, "duplicates": 0, "late": len(numbers)}
            else:
                steps.extend(numbers)
            return (
                200,
                JSON,
                json.dumps({**counts, "composite_gain": 1.25, "warnings": []}).encode(),
            )

        self.server.behaviour = behaviour
        sender = self.start(4)
        wait(lambda: sender.acknowledged == 4)
        self.train(sender, 2, 5)
        wait(lambda: sender.acknowledged == 6)
        self.assertEqual(steps, [1, 2, 3, 4, 5, 6])
        past.add(current[0])
        current[0] = "stranger"
        self.train(sender, 3, 7)
        wait(lambda: sender.dropped == 3)
        self.close(sender)
        self.assertEqual(
            self.noted.said("steps came after theirs was put together without them"), 1
        )
