#!/bin/sh
# Every test: SQLite, Postgres (those marked `both`) and the browser, with coverage; `fast`: the unit tests alone.
set -eu
exec .venv/bin/python -m tests.parts "$@"
