"""Worker and schedule are started again when their thread ends, whatever ends it, and not once they are to stop."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from maestro_site import background
from maestro_site.background import Supervisor
from maestro_site.celery import PulsingScheduler, app


class Clock(threading.Event):
    """The event of stopping, with a time of its own: waiting takes none and is recorded."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self.now, self.runs = 0.0, runs
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0)
        self.now += timeout or 0
        if len(self.waited) == self.runs:
            self.set()
        return self.is_set()


class Brief:
    """A part that lives ``life_s`` seconds of the clock and then ends in its way."""

    def __init__(self, clock: Clock, life_s: float, error: BaseException | None) -> None:
        self.clock, self.life_s, self.error = clock, life_s, error

    def start(self) -> None:
        self.clock.now += self.life_s
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        raise AssertionError("it has ended by itself")


@pytest.mark.parametrize("error", [None, OSError(28, "No space left"), KeyError("x"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize(("life_s", "pauses"), [(59.0, [1, 2, 4, 8, 16, 30, 30]), (61.0, [1, 1, 1, 1, 1, 1, 1])])
def test_a_part_is_started_again_with_back_off(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: BaseException | None,
    life_s: float,
    pauses: list[float],
) -> None:
    clock = Clock(len(pauses))
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: clock.now))
    supervisor = Supervisor("worker", lambda: Brief(clock, life_s, error))
    monkeypatch.setattr(supervisor, "_stopping", clock)
    supervisor.start()
    supervisor.join(60)
    assert clock.waited == pauses
    told = [record.getMessage() for record in caplog.records if "started again" in record.getMessage()]
    assert told == [f"the worker thread ended; it is started again in {seconds:.0f} s" for seconds in pauses]
    tracebacks = sum(record.exc_info is not None for record in caplog.records)
    assert tracebacks == (len(pauses) if isinstance(error, KeyError) else 0), "a full disk needs no traceback"


def test_a_part_that_cannot_be_made_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        raise OSError(28, "No space left on device")

    supervisor = Supervisor("beat", make)
    monkeypatch.setattr(supervisor, "_stopping", Clock(3))
    supervisor.start()
    supervisor.join(60)
    assert len(made) == 3


def test_a_part_that_is_told_to_stop_is_not_started_again(caplog: pytest.LogCaptureFixture) -> None:
    running, told = threading.Event(), threading.Event()
    made: list[Any] = []

    def make() -> Any:
        made.append(SimpleNamespace(start=lambda: (running.set(), told.wait()), stop=told.set))
        return made[-1]

    supervisor = Supervisor("worker", make)
    supervisor.start()
    assert running.wait(60)
    supervisor.stop()
    supervisor.stop()
    supervisor.join(60)
    assert len(made) == 1 and not caplog.records


def test_the_schedule_goes_on_while_the_broker_refuses_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = PulsingScheduler(app, schedule={}, lazy=True)
    sent: list[str] = []
    refused: list[Exception] = [OSError(28, "No space left on device")] * 3

    def apply(entry: str, **_: Any) -> None:
        if refused:
            raise refused.pop()
        sent.append(entry)

    monkeypatch.setattr(scheduler, "apply_async", apply)
    for entry in "abcde":
        scheduler.apply_entry(entry)
    assert sent == ["d", "e"]
    assert [record.getMessage() for record in caplog.records] == [
        "scheduled tasks cannot be sent ([Errno 28] No space left on device); the schedule tries again",
        "scheduled tasks are sent again",
    ]
