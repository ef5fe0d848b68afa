#!/bin/sh
# The package for PyTorch with the Python that .ci/pytorch.sh has made: its format, its lint, its types, its tests. Installs nothing.
#   .ci/python.sh PYTHON REPORT   REPORT gets what unittest says, for summary.mjs; fails where one of the four does, after all have run
set -u
python="$1"
report="$2"
cd "$(dirname "$0")/../plugin/python"
status=0

"$python" -m ruff format --check . || status=1
"$python" -m ruff check . || status=1
"$python" -m mypy || status=1
"$python" -m unittest discover -v -s tests -t . >"$report" 2>&1 || status=1
if [ "$status" -eq 0 ]; then tail -n 3 "$report"; else cat "$report"; fi
exit "$status"
