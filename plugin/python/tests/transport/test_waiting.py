"""When the monitor is asked again: Retry-After, pauses, what close() waits for."""

from __future__ import annotations

import email.utils
import functools
import random
import threading
import time
from typing import Any, Optional

from hypothesis import given
from hypothesis import strategies as st

from gainwatch.transport import timing
from gainwatch.transport.answers import retry_after
from gainwatch.transport.exchange import Exchange
from gainwatch.transport.timing import Pace

from ..support import JSON, Answer, refusal, wait
from .sending import Sending


def asked(text: str, **headers: str) -> Optional[float]:
    exchange = Exchange("GET", "/", b"", {})
    exchange.answer = {"Retry-After": text, **headers}
    return retry_after(exchange)


class RetryAfter(Sending):
    def test_seconds_and_dates_are_understood_and_bounded(self) -> None:
        self.assertEqual(
            [asked(text) for text in ("0", "7", " 12 ", "100000")],
            [0, 7, 12, timing.MAX_RETRY_AFTER_SECONDS],
        )
        for text in ("", "soon", "-3", "1.5", "Fri, 99 Foo 2026", "9" * 40, "²", "nan"):
            self.assertIsNone(asked(text), text)
        date = email.utils.formatdate
        self.assertEqual(asked(date(1000), Date=date(970)), 30)  # however wrong the clock is here
        self.assertEqual(asked(date(900), Date=date(970)), 0)
        self.assertAlmostEqual(asked(date(time.time() + 30, usegmt=True)) or 0, 30, delta=2)

    def test_it_is_waited_for_and_not_by_all_ranks_alike(self) -> None:
        times: list[float] = []

        def behaviour(*_: Any) -> Optional[Answer]:
            times.append(time.monotonic())
            return (
                (503, {**JSON, "Retry-After": "1"}, refusal("must wait"))
                if len(times) == 1
                else None
            )

        self.server.behaviour = behaviour
        sender = self.start()
        sender._chance = lambda: 0.5
        self.train(sender, 2)
        wait(lambda: sender.acknowledged == 2)
        self.assertGreaterEqual(times[1] - times[0], 1.2)

    def test_the_chance_of_the_training_is_left_alone(self) -> None:
        self.server.behaviour = 503
        before = random.getstate()
        sender = self.start(2)
        wait(lambda: len(self.server.paths) >= 3)
        self.close(sender, 1)
        self.assertEqual(random.getstate(), before)


class Closing(Sending):
    def test_it_waits_no_longer_than_it_may_and_tries_a_last_time(self) -> None:
        for begun in (True, False):  # is it closed after, or before it is asked to wait?
            with self.subTest(begun=begun):
                self.server.forget()
                answers = [(503, {**JSON, "Retry-After": "200"}, refusal("must wait"))]
                self.server.behaviour = lambda *_, answers=answers: (
                    answers.pop() if answers else None
                )
                sender = self.start(2)
                if begun:
                    wait(lambda: len(self.server.paths) == 1)
                    time.sleep(0.2)
                self.close(sender, 2.5)
                self.assertEqual((self.server.arrived(), sender.acknowledged), ([1, 2], 2))

    def test_one_that_is_refused_pauses_between_its_tries(self) -> None:
        self.server.behaviour = 401
        sender = self.start(2)
        before = len(self.server.paths)
        self.close(sender, 4)
        # one at once, then each second, and the last
        self.assertLessEqual(len(self.server.paths) - before, 8)

    def test_the_outcome_is_said_again_where_the_monitor_is_away(self) -> None:
        sender = self.start(2)
        wait(lambda: sender.acknowledged == 2)
        self.server.behaviour = 503
        threading.Timer(0.5, lambda: setattr(self.server, "behaviour", "ok")).start()
        self.close(sender)
        self.assertEqual(self.server.puts[-1]["outcome"], "completed")

    def test_what_was_not_sent_is_said_with_the_reason(self) -> None:
        self.server.behaviour = 401
        sender = self.start(2)
        self.close(sender, 1)
        said = (
            r"2 samples were not sent: the monitor did not take them within 1 s \(PUT http\S+: 401 "
        )
        self.assertRegex(self.noted.lines[-1], said)

    def test_nobody_answers(self) -> None:
        sender = self.start(50, url="http://127.0.0.1:9")
        started = time.monotonic()
        self.close(sender, 0.3)
        self.assertLess(time.monotonic() - started, 3)
        self.assertGreater(sender.errors, 0)
        self.assertRegex(
            self.noted.lines[0],
            r"^PUT http://127.0.0.1:9/api/v1/runs/test: \[Errno \d+\] Connection refused: samples are kept",
        )

    def test_one_that_was_not_started_is_closed_at_once(self) -> None:
        from gainwatch.transport import Sender

        sender = Sender(
            self.server.url, "test", None, {}, 1 << 20, 0, "", lambda _: None, self.noted
        )
        started = time.monotonic()
        sender.close("completed", "a", 5)
        self.assertLess(time.monotonic() - started, 1)


class Paces(Sending):
    @given(
        st.lists(
            st.tuples(st.booleans(), st.none() | st.floats(0, 300), st.floats(0, 1)), max_size=20
        )
    )
    def test_a_pause_grows_to_its_limit_and_is_as_asked(
        self, tries: list[tuple[bool, Optional[float], float]]
    ) -> None:
        now, pace = 0.0, Pace(0.0)
        for sent, wanted, chance in tries:
            pace = timing.after_try(
                pace,
                now,
                sent=sent,
                asked=wanted,
                stopping=False,
                taken=False,
                deadline=float("inf"),
                chance=functools.partial(float, chance),
            )
            least = timing.FLUSH_SECONDS if sent else pace.wait if wanted is None else wanted
            self.assertLessEqual(now + least, pace.due + 1e-9)
            self.assertLessEqual(pace.due, now + 1.5 * least + 1e-9)
            self.assertLessEqual(pace.wait, timing.BACKOFF_SECONDS)
            now = pace.due

    @given(st.floats(0, 20), st.none() | st.floats(0, 300), st.booleans(), st.floats(0, 1))
    def test_a_closing_one_is_due_before_its_deadline(
        self, left: float, wanted: Optional[float], taken: bool, chance: float
    ) -> None:
        pace = timing.after_try(
            Pace(0.0),
            0.0,
            sent=False,
            asked=wanted,
            stopping=True,
            taken=taken,
            deadline=left,
            chance=lambda: chance,
        )
        self.assertLessEqual(pace.due, left)
        self.assertTrue(timing.may_try(pace, pace.due, left, False))
