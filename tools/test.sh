#!/bin/sh
# Every test: SQLite, Postgres (those marked `both`) and the browser, two parts at a time; coverage is judged over all of them.
set -eu
exec .venv/bin/python -m tests.parts
