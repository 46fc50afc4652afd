"""Redis that is away or refuses: the schedule, the worker's connection, signs of life, and wrong settings."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.beat import PersistentScheduler

from maestro_site import bootstrap, pulse
from maestro_site.celery import RECONNECT_S, PulsingScheduler, _end_unless_redis_takes_its_settings, app
from tests.processes import ROOT, environment, manage
from tests.servers import Redis

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def away(settings: Any) -> Any:
    settings.REDIS_URL = NOWHERE
    pulse._redis.cache_clear()
    yield settings
    pulse._redis.cache_clear()


def test_the_schedule_leaves_everything_due_until_redis_is_back(
    away: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ticks: list[int] = []
    monkeypatch.setattr(PersistentScheduler, "tick", lambda *_: ticks.append(1) or 7.0)
    schedule = PulsingScheduler(app=app, schedule_filename=os.devnull, lazy=True)
    with caplog.at_level(logging.WARNING, "maestro_site.celery"):
        for _ in range(3):
            assert 0 < schedule.tick() <= RECONNECT_S and not ticks
        away.REDIS_URL = redis_url
        pulse._redis.cache_clear()
        assert schedule.tick() == 7.0 and ticks == [1]
        assert schedule.tick() == 7.0
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the schedule is paused",
        "the schedule goes on after 0 s",
    ]
    age = pulse.age("beat")
    assert age is not None and age < pulse.STALE_S


def test_a_broker_that_is_away_is_sought_again_and_again_with_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda _: None)

    def told(error: Exception, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 150:
            raise KeyboardInterrupt

    assert app.conf.broker_connection_max_retries is None
    connection = app.connection_for_read(url=NOWHERE)
    with pytest.raises(KeyboardInterrupt):
        connection.ensure_connection(told, app.conf.broker_connection_max_retries)
    assert set(pauses) == {float(RECONNECT_S)}


def test_a_sign_of_life_without_redis_ends_nothing(away: Any) -> None:
    pulse.beat("worker")
    assert pulse.age("worker") is None and pulse.refusal() == ""
    bootstrap.prepare_redis()
    _end_unless_redis_takes_its_settings()


def test_redis_that_refuses_the_settings_ends_a_start_with_a_sentence(away: Any, tmp_path: Path) -> None:
    server = Redis()
    away.REDIS_URL = server.start()
    try:
        redis.Redis.from_url(away.REDIS_URL).config_set("requirepass", "secret")
        for address in (away.REDIS_URL, away.REDIS_URL.replace("//", "//:wrong@")):
            away.REDIS_URL = address
            with pytest.raises(
                bootstrap.StartError, match=r"^Redis refuses REDIS_URL: its password .* missing or wrong\.$"
            ):
                bootstrap.prepare_redis()
        away.REDIS_URL = server.url.replace("//", "//:secret@").replace("/0", "/99")
        assert pulse.refusal() == "Redis refuses REDIS_URL: DB index is out of range."
        with pytest.raises(SystemExit, match="error: Redis refuses REDIS_URL"):
            _end_unless_redis_takes_its_settings()
        done = manage(tmp_path, "up", REDIS_URL=away.REDIS_URL)
        assert done.returncode == 1 and done.stderr.startswith("error: Redis refuses REDIS_URL")
        assert len(done.stderr.splitlines()) == 1
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("program", "variable"),
    [
        (["celery", "-A", "maestro_site.celery", "worker"], "DATABASE_URL=mysql://somewhere/x"),
        (["celery", "-A", "maestro_site.celery", "beat"], "REDIS_URL=http://somewhere"),
        (["uvicorn", "maestro_site.asgi:application", "--port", "0"], "REDIS_URL=redis://host:port/0"),
    ],
)
def test_wrong_settings_end_a_server_program_with_one_line(program: list[str], variable: str, tmp_path: Path) -> None:
    name, _, value = variable.partition("=")
    done = subprocess.run(
        [sys.executable, "-m", *program],
        cwd=ROOT,
        env=environment(tmp_path, **{name: value}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line] == [done.stderr.strip()]
    assert done.stderr.startswith(f"error: {name} ")


def test_the_check_of_a_container_asks_for_the_last_sign_of_life(redis_url: str, tmp_path: Path) -> None:
    client = redis.Redis.from_url(redis_url)
    for sign, code in (("", 1), (repr(time.time() - 60), 1), (repr(time.time()), 0)):
        client.set("maestro:pulse:beat", sign)
        done = subprocess.run(
            [sys.executable, "-m", "maestro_site.pulse", "beat"],
            cwd=ROOT,
            env=environment(tmp_path, REDIS_URL=redis_url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr.strip()) == (code, "beat was not seen lately" if code else "")
