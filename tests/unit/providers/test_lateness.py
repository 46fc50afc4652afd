"""The monitor of the event loop: what blocks it is named, once, and a loop that runs is left alone."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from providers_app.loop import lateness
from providers_app.loop.lateness import Monitor
from tests.waiting import until


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the monitor logged, and the moment at which it did, for a test that must not go on before."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(f"{record.levelname} {record.getMessage()}")
            spoken.set()

    listener = Listener()
    lateness.logger.addHandler(listener)
    caplog.set_level(logging.DEBUG, "maestro.loop")
    yield said
    lateness.logger.removeHandler(listener)


spoken = threading.Event()


def hold_the_loop() -> None:
    """Block the thread until the monitor has said so."""
    assert spoken.wait(60)
    spoken.clear()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[float, bool]]]:
    monkeypatch.setattr(lateness, "PERIOD_S", 0.01)
    monkeypatch.setattr(Monitor, "_was_paused", lambda self, waited_s: False)  # the machine of a test may be busy
    spoken.clear()
    yield []


async def test_the_log_names_what_blocks_the_loop_while_it_does(
    seen: list[tuple[float, bool]], told: list[str]
) -> None:
    monitor = Monitor(0.05, lambda late_s, blocked: seen.append((late_s, blocked)))
    monitor.start()
    try:
        await until(lambda: seen)
        hold_the_loop()
        await until(lambda: monitor.blocked)
        assert "in hold_the_loop" in told[0] and told[0].startswith("WARNING the event loop has not run for 0.")
        assert monitor.worst_s() > 0.05 and any(late for late, blocked in seen if blocked)
    finally:
        monitor.stop()


async def test_a_second_block_soon_after_is_counted_and_not_logged(
    seen: list[tuple[float, bool]], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = Monitor(0.05)
    reported: list[float] = []
    real = monitor._log

    def log(now: float, late_s: float, *, paused: bool) -> None:
        real(now, late_s, paused=paused)
        reported.append(late_s)
        spoken.set()

    monkeypatch.setattr(monitor, "_log", log)
    monitor.start()
    try:
        for blocks in (1, 2):
            spoken.clear()
            hold_the_loop()
            await until(lambda blocks=blocks: monitor.blocked >= blocks)  # type: ignore[misc]
        assert len(reported) >= 2 and len(told) == 1
        monkeypatch.setattr(lateness, "QUIET_S", 0.0)
        spoken.clear()
        hold_the_loop()
        await until(lambda: len(told) == 2)
        assert "more since the last report" in told[1]
    finally:
        monitor.stop()


async def test_a_process_that_did_not_run_blames_nothing_on_the_loop(
    seen: list[tuple[float, bool]], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Monitor, "_was_paused", lambda self, waited_s: True)
    monitor = Monitor(0.05)
    monitor.start()
    try:
        await until(lambda: monitor._due > 0)
        hold_the_loop()
        assert told[0].startswith("INFO the process did not run for 0.") and "hold_the_loop" not in told[0]
    finally:
        monitor.stop()


async def test_it_measures_a_loop_that_runs_without_a_word_and_ends(told: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(lateness, "PERIOD_S", 0.01)
    seen: list[bool] = []
    monitor = Monitor(60.0, lambda late_s, blocked: seen.append(blocked))
    monitor.start()
    await until(lambda: len(seen) >= 5)
    monitor.stop()
    assert monitor._thread is not None
    await asyncio.to_thread(monitor._thread.join, 60)
    count = len(seen)
    await asyncio.sleep(0)
    assert not any(seen) and not told and len(seen) == count and not monitor._thread.is_alive()
