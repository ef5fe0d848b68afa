"""A run that goes on in another training."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gainwatch.transport import timing

from ..support import JSON, refusal, wait
from .sending import Sending, in_another_training


class AnotherTraining(Sending):
    def setUp(self) -> None:
        super().setUp()
        self.patch(timing, "TAKEN_ASK_SECONDS", 0.1)
        self.patch(timing, "TAKEN_SECONDS", 1.0)

    def taken(self, *names: str) -> Any:
        """Answers that these go on elsewhere."""
        free = f"{names[-1]}-2"
        return lambda method, path, data: (
            in_another_training(free) if path.split("/")[4] in names else None
        )

    def test_it_asks_again_and_then_goes_over_to_the_free_name_with_all_it_has(self) -> None:
        self.server.behaviour = self.taken("test")
        sender = self.start(3)
        wait(lambda: self.asked()["PUT", False] >= 3)
        self.assertEqual((sender.run_name, sender.acknowledged, self.server.steps), ("test", 0, []))
        self.train(sender, 2, 4)
        wait(lambda: sender.acknowledged == 5)
        self.assertEqual(
            (sender.run_name, self.server.arrived(), sender.dropped), ("test-2", [1, 2, 3, 4, 5], 0)
        )
        self.close(sender)
        self.assertEqual(self.server.puts[-1]["outcome"], "completed")
        self.assertEqual(self.asked()["POST", True], 0)  # no steps to ask with
        said = (
            self.noted.said("goes on in ANOTHER TRAINING"),
            self.noted.said("is sent as run test-2 from now on"),
        )
        self.assertEqual(said, (1, 1))
        self.assertLess(max(map(len, self.noted.lines)), 400)  # of a line, of guard.py

    def test_it_gets_the_name_where_the_other_ends_meanwhile(self) -> None:
        self.server.behaviour = self.taken("test")
        sender = self.start(3)
        wait(lambda: self.asked()["PUT", False] >= 2)
        self.server.behaviour = "ok"
        wait(lambda: sender.acknowledged == 3)
        self.close(sender)
        said = self.noted.said("is this training's now")
        self.assertEqual((sender.run_name, said, self.asked("test-2")), ("test", 1, Counter()))

    def test_closed_meanwhile_it_goes_over_at_once(self) -> None:
        self.patch(timing, "TAKEN_ASK_SECONDS", 60.0)
        # The next is of another, too, as it turns out.
        free = {"test": in_another_training("test-2"), "test-2": in_another_training("test-3")}
        for before in (True, False):
            with self.subTest(before=before):
                self.server.forget()
                self.noted.forget()
                self.server.behaviour = lambda _m, path, _d: free.get(path.split("/")[4])
                sender = self.start(3)
                if before:
                    wait(lambda: self.noted.said("goes on in ANOTHER TRAINING") > 0)
                self.close(sender, 5)
                self.assertEqual(
                    (sender.run_name, self.server.arrived(), sender.acknowledged),
                    ("test-3", [1, 2, 3], 3),
                )
                self.assertEqual(self.server.puts[-1]["outcome"], "completed")

    def test_one_that_was_its_own_and_no_longer_is(self) -> None:
        """A monitor that has lost its memory, or a long silence."""
        sender = self.start(3)
        wait(lambda: sender.acknowledged == 3)
        self.server.behaviour = self.taken("test")
        self.train(sender, 3, 4)
        wait(lambda: sender.acknowledged == 6)
        self.close(sender)
        self.assertEqual((sender.run_name, self.server.arrived()), ("test-2", [1, 2, 3, 4, 5, 6]))
        self.assertEqual([put["state"] for put in self.server.puts], ["open", "open", "closed"])
        self.assertEqual(
            (self.asked()["PUT", False], self.asked("test-2")["PUT", False]) >= (2, 2), True
        )

    def test_with_nothing_left_to_send_no_other_run_is_begun(self) -> None:
        sender = self.start(3)
        wait(lambda: sender.acknowledged == 3)
        self.server.behaviour = self.taken("test")
        self.close(sender)
        self.assertEqual((self.asked("test-2"), sender.run_name), (Counter(), "test"))

    def test_what_is_no_name_is_not_gone_over_to(self) -> None:
        strange = (409, JSON, refusal("no", free="../x"))
        self.server.behaviour = lambda method, _p, _d: strange if method == "POST" else None
        sender = self.start(1)
        self.close(sender)
        self.assertEqual((sender.run_name, sender.dropped), ("test", 1))
