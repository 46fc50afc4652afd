"""The id of a request: made or taken at the edge, in every log line behind it, in the answer, on an error page."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import RequestFactory

from maestro_site import asgi, health, logs
from maestro_site.celery import IdentifiedTask, app
from providers_app import loop, request_id
from sessions_app.stores.pool import in_store


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Every line of the log, as the JSON that an operator collects."""
    found: list[dict[str, Any]] = []
    formatter = logs.formatter(json=True)

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(formatter.format(record)))

    collector = Collector()
    logging.getLogger().addHandler(collector)
    yield found
    logging.getLogger().removeHandler(collector)


@pytest.fixture
async def attached() -> Any:
    loop.detach()
    loop.attach(asyncio.get_running_loop())
    yield
    await loop.shutdown(0.5)


def said(text: str) -> str:
    logging.getLogger("maestro.test").warning("%s", text)
    return request_id.current.get()


async def answered(*headers: tuple[bytes, bytes], path: str = "/healthz") -> str:
    """The id that the answer of a request names."""
    sent: list[dict[str, Any]] = []
    given = [(b"host", b"localhost"), *headers]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": given}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.create_task(asgi.application(scope, receive, send))
    (found,) = [value.decode() for name, value in sent[0]["headers"] if name == b"x-request-id"]
    return found


@pytest.mark.usefixtures("attached")
async def test_a_request_has_an_id_of_its_own_or_the_one_that_its_client_gave() -> None:
    made = [await answered(), await answered(path="/health")]
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in made) and made[0] != made[1]
    assert await answered((b"x-request-id", b"trace-01H8.x_y")) == "trace-01H8.x_y"


@pytest.mark.usefixtures("attached")
@pytest.mark.parametrize(
    "given", [b"short", b"x" * 129, b"has space in it", b"new\nline-12345", b"\xff" * 9, b"-starts-odd"]
)
async def test_an_id_that_could_forge_a_log_line_is_not_taken(given: bytes) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", await answered((b"x-request-id", given)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("attached")
async def test_what_a_request_leaves_running_logs_its_id(lines: list[dict[str, Any]]) -> None:
    async def work(text: str) -> str:
        return said(text)

    token = request_id.begin("request-0001")
    spawned = loop.spawn(work("detached"))
    stored = await in_store(said, "store")
    request_id.current.reset(token)
    later = loop.spawn(work("without"))
    assert (await spawned, stored, await later) == ("request-0001", "request-0001", "")
    assert {line["event"]: line.get("request_id") for line in lines} == {
        "detached": "request-0001", "store": "request-0001", "without": None,
    }  # fmt: skip


def test_a_call_from_another_thread_carries_it_onto_the_loop() -> None:
    async def here() -> tuple[str, str]:
        async def detached() -> str:
            return request_id.current.get()

        return request_id.current.get(), await loop.spawn(detached())

    found: list[Any] = []

    def serve() -> None:
        request_id.begin("request-0002")
        found.append(loop.run(here(), 60))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert found == [("request-0002", "request-0002")]


def test_a_line_for_people_names_it_too() -> None:
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, "It failed.", (), None)
    token = request_id.begin("request-0003")
    try:
        assert "request_id=request-0003" in logs.formatter().format(record)
    finally:
        request_id.current.reset(token)
    assert "request_id" not in logs.formatter().format(record)


def test_a_task_of_the_worker_carries_the_id_of_who_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    @app.task(name="tests.identified")  # type: ignore[untyped-decorator]
    def task() -> None:
        seen.append(request_id.current.get())

    sent: list[dict[str, Any]] = []
    monkeypatch.setattr("celery.Task.apply_async", lambda self, *args, **options: sent.append(options))
    token = request_id.begin("request-0004")
    task.apply_async(headers={"other": 1})
    request_id.current.reset(token)
    task.apply_async()
    assert [each["headers"] for each in sent] == [{"other": 1, "request_id": "request-0004"}, {"request_id": ""}]
    assert isinstance(task, IdentifiedTask)
    for each in sent:
        task.apply(headers=each["headers"])
    assert seen[0] == "request-0004" and re.fullmatch(r"[0-9a-f]{16}", seen[1])
    assert request_id.current.get() == ""
    del app.tasks["tests.identified"]


def test_the_page_of_an_internal_error_shows_the_id_to_copy() -> None:
    token = request_id.begin("request-0005")
    try:
        page = health.server_error(RequestFactory().get("/")).content.decode()
    finally:
        request_id.current.reset(token)
    assert "request-0005" in page and 'data-copy="request-0005"' in page
    assert 'data-copy=""' not in health.server_error(RequestFactory().get("/")).content.decode()
