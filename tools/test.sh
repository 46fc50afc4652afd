#!/bin/sh
# Every test: SQLite, then those marked `both` on Postgres, then the browser's; coverage is judged over all three.
set -eu
python=.venv/bin/python
rm -f .coverage .coverage.*
$python -m pytest tests --ignore=tests/browser --cov --cov-report= --durations=25 -q
if command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    TEST_DATABASE=postgres $python -m pytest tests --ignore=tests/browser -m both --cov --cov-append --cov-report= -q
elif [ -n "${CI:-}" ]; then
    echo "error: postgresql is not installed, and CI does not skip tests for that" >&2
    exit 1
else
    echo "skipped: postgresql is not installed, so the tests marked 'both' ran on SQLite only"
fi
$python -m pytest tests/browser --cov --cov-append --cov-report= --durations=10 -q
for package in providers_app sessions_app; do
    echo "branch coverage of $package:"
    $python -m coverage report --include="$package/*" --fail-under=90 --format=total
done
