"""Requests on a fixed number of threads: how many, who waits, who is refused, and when a thread is free again."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from maestro_site import request_threads
from maestro_site.request_threads import Handler, RequestThreads

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


async def get(handler: Handler, address: str, first: asyncio.Event | None = None) -> dict[str, Any]:
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

    head = {"type": "http", "method": "GET", "path": address, "query_string": b"", "headers": [(b"host", b"localhost")]}
    await handler(head, receive, send)
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
