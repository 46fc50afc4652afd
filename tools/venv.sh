#!/bin/sh
# Make .venv with the newest Python >= 3.11 on the path, by whichever tool is there: venv, virtualenv or uv.
set -u
python=""
for minor in 19 18 17 16 15 14 13 12 11; do
    # A name on the path may be a shim for a version that is not selected: only one that runs counts.
    if "python3.$minor" -c 'pass' >/dev/null 2>&1; then
        python="python3.$minor"
        break
    fi
done
if [ -z "$python" ]; then
    for name in python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            python=$name
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "error: Maestro needs Python 3.11 or newer. Install it (Debian: apt install python3 python3-venv), then try again." >&2
    exit 1
fi
rm -rf .venv
if "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    "$python" -m venv .venv && exit 0
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet .venv && exit 0
elif command -v virtualenv >/dev/null 2>&1; then
    virtualenv --quiet --python "$python" .venv && exit 0
elif command -v uv >/dev/null 2>&1; then
    uv venv --quiet --seed --python "$(command -v "$python")" .venv && exit 0
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "error: $python has no venv module. Install it (Debian: apt install python$version-venv), then try again." >&2
    exit 1
fi
rm -rf .venv
echo "error: no virtual environment could be made with $python; see the message above." >&2
exit 1
