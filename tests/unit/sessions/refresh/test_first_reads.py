"""Sealed values are read: the first ones by several threads of the pool at once, and ones that are none."""

import subprocess
import sys

import pytest

from providers_app.types.tokens import Tokens, from_plain
from tests.processes import ROOT

MANY_FIRST_READS = """
import sys, threading
import msgspec
from providers_app.types.credentials import Secret
from providers_app.types.tokens import from_plain, to_plain

sys.setswitchinterval(1e-6)
for number in range(15):
    inner = msgspec.defstruct(f"Inner{number}", [(f"f{n}", "Secret | None", None) for n in range(12)],
                              namespace={"__module__": "__main__"})
    globals()[f"Inner{number}"] = inner
    outer = msgspec.defstruct(f"Outer{number}", [("secret", Secret), ("inner", f"Inner{number} | None", None)],
                              namespace={"__module__": "__main__"})
    plain = to_plain(outer(Secret("x"), inner()))
    barrier = threading.Barrier(8)
    found = []

    def read():
        barrier.wait()
        found.append(from_plain(plain, outer).secret.reveal())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["x"] * 8
print("alive")
"""


def test_threads_that_open_the_first_value_together_do_not_end_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY_FIRST_READS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-2000:]


@pytest.mark.parametrize("plain", [b"", b"7", b'{"access": 7331}', b'{"access": "a", "client": "7331"}'])
def test_what_is_no_stored_value_is_refused_and_not_quoted(plain: bytes) -> None:
    with pytest.raises(ValueError, match="this is no stored Tokens") as raised:
        from_plain(plain, Tokens)
    assert "7331" not in str(raised.value)
    assert raised.value.__cause__ is None
