#!/bin/sh
# Style, types, layers, templates, Django's own checks, and that no host or machine path is committed.
set -eu
bin=.venv/bin
$bin/ruff check .
$bin/ruff format --check .
$bin/mypy
$bin/mypy --strict providers_app
$bin/lint-imports --no-cache
git ls-files 'templates/*.html' | xargs $bin/djade --target-version 5.2 --check
data=$(mktemp -d)
export MAESTRO_ENV_FILE=/dev/null
trap 'rm -rf "$data"' EXIT
MAESTRO_DATA_DIR=$data $bin/python manage.py check --fail-level WARNING
$bin/python manage.py settings_docs --check
MAESTRO_DATA_DIR=$data $bin/python manage.py error_docs --check
MAESTRO_DATA_DIR=$data $bin/python manage.py makemigrations --check --dry-run
if grep -nE 'https?://|file:|/' constraints.txt tests/contract/constraints.txt tests/peers/constraints.txt; then
    echo "error: a constraints file names a host or a path" >&2
    exit 1
fi
echo "lint: ok"
