#!/usr/bin/env bash
# All tests but the soaks: the fast ones first, in parallel; then the whole graph, alone, because it measures time.
set -euo pipefail
jobs="${1:-2}"
python -m pytest -q -m "not slow and not e2e" -n "$jobs" --dist loadfile
python -m pytest -q -m "e2e and not slow"
