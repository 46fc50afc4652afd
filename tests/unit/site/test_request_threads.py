"""Requests on a fixed number of threads: how many, who waits, who is refused, and when a thread is free again."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from maestro_site import database_silence, request_threads
from maestro_site.request_threads import Handler, RequestThreads
from tests.waiting import until

used: set[int] = set()
entered = threading.Semaphore(0)
gate = threading.Event()


def quick(request: HttpRequest) -> HttpResponse:
    used.add(threading.get_ident())
    return HttpResponse("done")


def slow(request: HttpRequest) -> HttpResponse:
    used.add(threading.get_ident())
    entered.release()
    gate.wait(60)
    return HttpResponse("done")


def endless(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    return StreamingHttpResponse(parts())


@pytest.fixture
def handler(settings: Any) -> Iterator[Handler]:
    settings.ROOT_URLCONF = addresses = ModuleType("addresses")
    addresses.urlpatterns = [path("quick", quick), path("slow", slow), path("endless", endless)]  # type: ignore[attr-defined]
    addresses.handler500 = lambda request: HttpResponse("broken", status=500)  # type: ignore[attr-defined]
    settings.MIDDLEWARE = []
    used.clear()
    gate.clear()
    yield Handler(RequestThreads(2))
    gate.set()


async def get(
    handler: Handler, address: str, first: asyncio.Event | None = None, method: str = "GET"
) -> dict[str, Any]:
    """The start of the response to a request whose client stays."""
    sent: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": b""}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if first is not None and message.get("body"):
            first.set()

    head = {
        "type": "http",
        "path": address,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "method": method,
    }
    await handler(head, receive, send)
    assert [message["type"] for message in sent].count("http.response.start") == 1
    return sent[0]


async def until_entered(count: int = 1) -> None:
    for _ in range(count):
        assert await asyncio.to_thread(entered.acquire, timeout=60)


async def test_a_burst_waits_for_the_threads_that_there_are(handler: Handler) -> None:
    answers = await asyncio.gather(*(get(handler, "/quick") for _ in range(30)))
    assert {answer["status"] for answer in answers} == {200}
    assert len(used) <= 2


async def test_one_request_after_another_stays_on_one_thread(handler: Handler) -> None:
    for _ in range(5):
        await get(handler, "/quick")
        await asyncio.to_thread(int)
    assert len(used) == 1, "each thread keeps a connection, so no more are used than needed"


async def test_a_request_without_a_thread_in_time_is_refused_for_now(
    handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_threads, "PATIENCE_S", 0.01)
    waiting = [asyncio.create_task(get(handler, "/slow")) for _ in range(2)]
    await until_entered(2)
    refused = await get(handler, "/quick")
    assert (refused["status"], dict(refused["headers"])[b"Retry-After"]) == (503, b"5")
    gate.set()
    assert [(await each)["status"] for each in waiting] == [200, 200]
    assert (await get(handler, "/quick"))["status"] == 200


async def test_an_endless_response_holds_no_thread(handler: Handler) -> None:
    begun = [asyncio.Event() for _ in range(3)]
    streams = [asyncio.create_task(get(handler, "/endless", first)) for first in begun]
    await asyncio.gather(*(first.wait() for first in begun))
    assert (await get(handler, "/quick"))["status"] == 200
    for stream in streams:
        stream.cancel()
    await asyncio.wait(streams)


async def test_the_thread_of_a_cancelled_request_is_lent_once_its_view_is_over(handler: Handler) -> None:
    for _ in range(2):
        gone = asyncio.create_task(get(handler, "/slow"))
        await until_entered()
        gone.cancel()
        await asyncio.wait([gone])
    waiting = asyncio.create_task(get(handler, "/quick"))
    await asyncio.sleep(0)
    assert handler._threads._free.locked(), "both views run on"
    gate.set()
    assert (await waiting)["status"] == 200
    assert len(used) == 2


class Database:
    """A database that answers, or is silent, and counts how often a request asked which of them."""

    def __init__(self) -> None:
        self.silent = False
        self.asked = asyncio.Semaphore(0)

    async def ask(self) -> bool:
        """Take the place of ``database_silence.silent``."""
        self.asked.release()
        return self.silent


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(request_threads, "LONG_S", 0)
    monkeypatch.setattr(database_silence, "silent", made.ask)
    return made


async def test_a_page_that_waits_for_a_silent_database_is_refused_for_now(handler: Handler, database: Database) -> None:
    sent = asyncio.Event()
    waiting = asyncio.create_task(get(handler, "/slow", sent))
    await until_entered()
    for _ in range(3):
        await database.asked.acquire()
    assert not sent.is_set(), "a view may be slow for other reasons"
    database.silent = True
    await until(sent.is_set)
    gate.set()  # the thread is lent again once the view is over
    refused = await waiting
    assert (refused["status"], dict(refused["headers"])[b"Retry-After"]) == (503, b"5")
    database.silent = False
    answers = await asyncio.gather(*(get(handler, "/quick") for _ in range(4)))
    assert {answer["status"] for answer in answers} == {200}


async def test_a_request_that_may_write_waits_for_its_outcome(handler: Handler, database: Database) -> None:
    refused, outcome = asyncio.Event(), asyncio.Event()
    reading = asyncio.create_task(get(handler, "/slow", refused))
    writing = asyncio.create_task(get(handler, "/slow", outcome, method="POST"))
    await until_entered(2)
    database.silent = True
    await until(refused.is_set)
    assert not outcome.is_set()
    gate.set()
    assert [(await each)["status"] for each in (reading, writing)] == [503, 200]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_request_waits_for_a_thread_while_the_database_is_silent(
    handler: Handler, database: Database, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(request_threads, "PATIENCE_S", 600)
    waiting = [asyncio.create_task(get(handler, "/slow", method="POST")) for _ in range(2)]
    await until_entered(2)
    database.silent = True
    assert (await get(handler, "/quick", method=method))["status"] == 503
    gate.set()
    assert [(await each)["status"] for each in waiting] == [200, 200]


async def test_a_database_is_silent_where_it_leaves_a_query_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = [], threading.Event()

    def select() -> None:
        asked.append(1)
        over.wait(60)

    monkeypatch.setattr(database_silence, "_select", select)
    monkeypatch.setattr(database_silence, "SILENT_S", 0.01)
    assert [await database_silence.silent() for _ in range(3)] == [True] * 3
    over.set()
    monkeypatch.setattr(database_silence, "SILENT_S", 60)
    await until(lambda: database_silence._Probe.end is not None and database_silence._Probe.end.done())
    assert not await database_silence.silent()
    assert len(asked) == 2, "one question for all"


@pytest.mark.parametrize("error", [None, OperationalError, InterfaceError])
async def test_an_error_is_an_answer(monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None) -> None:
    sent = []

    class Connection:
        def cursor(self) -> Any:
            if error is not None:
                raise error("refused")
            return nullcontext(SimpleNamespace(execute=sent.append))

    monkeypatch.setattr(database_silence, "connection", Connection())
    assert not await database_silence.silent()
    assert sent == ([] if error else ["SELECT 1"])
