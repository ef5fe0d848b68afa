"""What `import gainwatch` brings and asks for. What pip makes of the folder is the npm package's test (test/pack.test.ts)."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# for the background thread; torch 2.1 loads some with dynamo
LATE = {
    "safetensors",
    "sqlite3",
    "ssl",
    "urllib3",
}


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Runs it in a process of its own that finds this package."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


class Import(unittest.TestCase):
    def test_without_torch_it_says_what_to_install(self) -> None:
        ended = python("import sys; sys.modules['torch'] = None; import gainwatch")
        last = ended.stderr.strip().splitlines()[-1]
        self.assertRegex(last, r"^ImportError: .*install torch 2\.1 or later")

    def test_what_the_background_needs_is_imported_late(self) -> None:
        code = "import json, sys, torch._dynamo; before = set(sys.modules); import gainwatch"
        ended = python(f"{code}; print(json.dumps(sorted(set(sys.modules) - before)))")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        brought = {name.split(".")[0] for name in json.loads(ended.stdout)}
        self.assertIn("gainwatch", brought)
        self.assertEqual(brought & LATE, set())

    def test_everything_that_it_names_is_there(self) -> None:
        code = (
            "import gainwatch; print([n for n in gainwatch.__all__ if not hasattr(gainwatch, n)])"
        )
        ended = python(code)
        self.assertEqual(ended.stdout.strip(), "[]", ended.stderr)


if __name__ == "__main__":
    unittest.main()
