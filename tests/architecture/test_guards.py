"""The guards of the test suite themselves: they must be able to fail a test."""

import asyncio
import socket
import time

import pytest

from tests.guards import Blocked


async def test_sleeping_on_a_loop_is_refused() -> None:
    with pytest.raises(Blocked):
        time.sleep(0)  # noqa: ASYNC251 - that is the point


async def test_resolving_names_on_a_loop_is_refused_and_off_it_is_not() -> None:
    with pytest.raises(Blocked):
        socket.getaddrinfo("localhost", 80)
    assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    assert await asyncio.to_thread(socket.getaddrinfo, "localhost", 80)


def test_reaching_beyond_loopback_is_refused() -> None:
    with socket.socket() as sock, pytest.raises(RuntimeError, match="loopback"):
        sock.connect(("192.0.2.1", 80))


def test_sleeping_without_a_loop_is_allowed() -> None:
    time.sleep(0)
