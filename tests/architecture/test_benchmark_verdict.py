"""``make bench`` fails where a bound does not hold."""

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks._row import Row, below


@pytest.mark.parametrize(("measured", "code"), [(4.9, 0), (5.0, 1)])
def test_a_missed_bound_is_named_and_fails(
    measured: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("only reported", "7 s"), below("a start", measured, 5, "s", digits=1)]
    monkeypatch.setattr(bench, "_run_apart", lambda name: rows)
    monkeypatch.setattr("sys.argv", ["bench", "--only", "any"])
    assert bench.main() == code
    shown = capsys.readouterr()
    assert ("missed" in shown.out, "a start: 5.0 s, and the bound is < 5 s" in shown.err) == (code == 1, code == 1)
