"""How a training ends that does not call `close`: what the monitor is told, and that the process ends as it would have without it."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import unittest

from tests.support import Server

HERE = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
import os, signal, sys
sys.path[:0] = [{here!r}]
import torch
import gainwatch
torch.set_num_threads(1)
{before}
model = torch.nn.Linear(2, 2)
monitor = gainwatch.watch(model, url={url!r}, run="ends", drain_seconds=5)
for step in range(3):
    monitor.step(float(step))
{end}
"""

WAYS = {
    # the script's end: outcome, exit code
    "pass": ("unknown", 0),
    "monitor.close()": ("completed", 0),
    "sys.exit(0)": ("completed", 0),
    "sys.exit(1)": ("failed", 1),
    "sys.exit('no more memory')": ("failed", 1),
    "raise RuntimeError('oom')": ("failed", 1),
    "raise KeyboardInterrupt": ("interrupted", 1),  # of `python -c`; a file's is -SIGINT
    "os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(30)": (
        "interrupted",
        -signal.SIGTERM,
    ),
    "with monitor: sys.exit(3)": ("failed", 3),
    "with monitor: raise ValueError('x')": ("failed", 1),
    "with monitor: pass": ("completed", 0),
    "try: sys.exit(1)\nexcept SystemExit: pass\nmonitor.close()": ("completed", 0),
    # nobody holds it: what waits is sent
    "del monitor": ("unknown", 0),
    "def train(own): sys.exit(1)\ntrain(globals().pop('monitor'))": ("failed", 1),
}


class Ending(unittest.TestCase):
    def run_script(self, end: str, before: str = "") -> tuple[str, int, str]:
        """Outcome that was told, exit code, and what was printed."""
        server = Server()
        try:
            code = SCRIPT.format(here=str(HERE), url=server.url, end=end, before=before)
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
            )
            self.assertEqual([body.step for body in server.steps], [1, 2, 3], done.stderr[-2000:])
            return str(server.puts[-1].get("outcome")), done.returncode, done.stdout
        finally:
            server.close()

    def test_outcomes(self) -> None:
        for end, wanted in WAYS.items():
            with self.subTest(end=end):
                self.assertEqual(self.run_script(end)[:2], wanted)

    def test_the_training_s_own_handler_of_sigterm_stays(self) -> None:
        before = "signal.signal(signal.SIGTERM, lambda *_: (print('own'), sys.exit(9)))"
        kill = "os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(30)"
        self.assertEqual(self.run_script(kill, before), ("failed", 9, "own\n"))

    def test_what_was_there_is_put_back(self) -> None:
        before = "was = (sys.exit, signal.getsignal(signal.SIGTERM))"
        end = "monitor.close()\nprint((sys.exit, signal.getsignal(signal.SIGTERM)) == was)"
        self.assertEqual(self.run_script(end, before), ("completed", 0, "True\n"))

    def test_what_was_raised_or_exited_before_a_step_has_not_ended_it(self) -> None:
        exits = "try: sys.exit(1)\nexcept SystemExit: pass"
        shown = "try: 1 / 0\nexcept Exception: sys.last_type, sys.last_value, _ = sys.exc_info()"
        before = "model = torch.nn.Linear(2, 2)\nother = gainwatch.watch(model, url='http://127.0.0.1:9')"
        before = f"{before}\n{exits}\n{shown}\nother.close()"
        self.assertEqual(self.run_script("pass", before)[:2], ("unknown", 0))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_process_that_ends_ends_nothing(self) -> None:
        end = "child = os.fork()\nif child == 0: sys.exit(4)\nprint(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\nmonitor.close()"
        self.assertEqual(self.run_script(end), ("completed", 0, "4\n"))


if __name__ == "__main__":
    unittest.main()
