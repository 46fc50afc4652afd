"""Log lines: whole, and without what signs somebody in."""

import logging
import re
from datetime import datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
import redis
from django.db import IntegrityError, OperationalError
from django.test import Client

from maestro_site import logs
from sessions_app.errors import StoreUnavailable

TOKEN = "Zm9vYmFy-_Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8"


@pytest.mark.parametrize("json", [False, True])
def test_a_sign_in_link_is_in_no_line(json: bool) -> None:
    class Request:
        def __repr__(self) -> str:
            return f"<Request GET /welcome/{TOKEN}>"

    try:
        raise ValueError(f"http://h/welcome/{TOKEN}?x")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("django", logging.WARNING, __file__, 1, "Forbidden: %s", (f"/welcome/{TOKEN}",), info)
    record.request = Request()
    line = logs.formatter(json).format(record)
    assert TOKEN not in line
    assert line.count("/welcome/***") >= 3 and "Forbidden" in line


def test_a_line_begins_with_its_time_and_names_level_and_logger() -> None:
    record = logging.LogRecord("sessions_app.x", logging.WARNING, __file__, 1, "It is %s.", ("late",), None)
    plain = re.fullmatch(r"(\S+) \[warning\s*\] It is late. +\[sessions_app\.x\]", logs.formatter().format(record))
    told = msgspec.json.decode(logs.formatter(json=True).format(record))
    times = told.pop("timestamp"), plain[1] if plain else ""
    assert told == {"event": "It is late.", "level": "warning", "logger": "sessions_app.x"}
    assert all(datetime.fromisoformat(time).utcoffset() == timedelta(0) for time in times)


@pytest.mark.django_db
def test_a_refused_sign_in_leaves_no_live_link_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(f"/welcome/{TOKEN}").status_code == 403
    assert client.get(f"/welcome/{TOKEN}", headers={"host": "evil.example"}).status_code == 400
    assert any(TOKEN in str(record.__dict__) for record in caplog.records), "Django says the address"
    for record in caplog.records:
        assert TOKEN not in logs.formatter().format(record)


def record_of(
    error: BaseException | None, name: str = "x", message: str = "It failed.", **extra: object
) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, (), info)
    vars(record).update(extra)
    return record


def test_an_outage_is_one_line_per_logger_and_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(logs, "time", SimpleNamespace(monotonic=lambda: now[0]))
    outages = logs.OutageFilter()

    def told(record: logging.LogRecord) -> str:
        return logs.formatter(json=False).format(record).strip() if outages.filter(record) else ""

    away = OperationalError("connection refused\nIs the server running?")
    first = told(record_of(away))
    assert "It failed. (OperationalError: connection refused)" in first and "\n" not in first
    assert told(record_of(away)) == told(record_of(away, message="Another request failed.")) == ""
    assert "Error: gone" in told(record_of(redis.ConnectionError("gone"))), "another server"
    assert "[y]" in told(record_of(StoreUnavailable("away"), "y")), "another logger"
    assert told(record_of(None, "django.request", "Service Unavailable: %s", status_code=503))
    assert told(record_of(None, "django.request", "Service Unavailable: %s", status_code=503)) == ""
    assert told(record_of(None, "celery.worker.consumer.consumer", "Cannot connect.\nTrying again")).count("\n") == 0
    now[0] += 31
    assert "[2 more like it were not logged]" in told(record_of(away))
    assert "more like it" not in told(record_of(away, "z"))


@pytest.mark.parametrize("error", [ValueError("a bug"), IntegrityError("twice"), ConnectionError("a provider"), None])
def test_other_errors_are_logged_whole_each_time(error: Exception | None) -> None:
    outages = logs.OutageFilter()
    for _ in range(2):
        record = record_of(error)
        assert outages.filter(record) and record.msg == "It failed."
        assert (record.exc_info is None) is (error is None)


@pytest.mark.parametrize(("level", "quiet"), [("INFO", True), ("WARNING", True), ("DEBUG", False)])
def test_a_command_leaves_out_what_a_server_says_of_its_circuits(level: str, quiet: bool) -> None:
    root, told = logging.getLogger(), logging.getLogger("maestro.dispatcher")
    before = root.level, told.level
    try:
        root.setLevel(level)
        logs.be_quiet()
        assert told.isEnabledFor(logging.INFO) is not quiet and told.isEnabledFor(logging.WARNING)
    finally:
        root.setLevel(before[0])
        told.setLevel(before[1])
