#!/usr/bin/env bash
# Style, types, import contracts, and whether the tables of nodes are those of the code.
set -euo pipefail
ruff check .
mypy
lint-imports
gear-vla docs --check
