"""Log lines: whole, and without what signs somebody in."""

import logging
import re
from datetime import datetime, timedelta

import msgspec
import pytest
from django.test import Client

from maestro_site import logs

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
