"""Log lines: whole, and without what signs somebody in."""

import logging

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
