"""What no test may do, held by an audit hook: reach beyond loopback, or block a thread on which a loop runs.

Installed once per process, when this module is imported. The browser's tests switch the second one off: Playwright's
synchronous interface keeps a loop on the test's own thread. Tests against real providers switch the first one off.
"""

import asyncio
import ipaddress
import sys
import time
from typing import Any

LOCAL_NAMES = {"localhost", "", "testserver"}
# Calls that stop a thread until something else happens; each has an awaitable. Django itself refuses the ORM there.
BLOCKING = {"socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system"}


class Blocked(RuntimeError):
    """An event loop was kept from running."""


class _Watch:
    loops = True
    network = True


watch = _Watch()


_sleep = time.sleep


def _checked_sleep(seconds: float) -> None:
    # Before Python 3.13 sleeping raises no audit event.
    if watch.loops and asyncio._get_running_loop() is not None:
        raise Blocked("time.sleep was called on the thread of a running event loop")
    _sleep(seconds)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and watch.network:
        _refuse_network(args[1])
    elif event in BLOCKING and watch.loops and asyncio._get_running_loop() is not None:
        raise Blocked(f"{event} was called on the thread of a running event loop")


def _refuse_network(address: Any) -> None:
    if not isinstance(address, tuple):
        return
    host = str(address[0])
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host in LOCAL_NAMES
    if not local:
        raise RuntimeError(f"a test tried to reach {host}; only loopback is allowed")


time.sleep = _checked_sleep
sys.addaudithook(_audit)
