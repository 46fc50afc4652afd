"""The provider loop of this process, and the ways onto it: ``from providers_app import loop``.

provider_loop   one event loop per process, detached tasks on it, values that live as long as it does
thread          the thread that runs it where nothing attaches one
bridge          crossing from one loop to another: a coroutine, or a stream with back-pressure
"""

from providers_app.loop.provider_loop import (
    attach,
    cancel,
    current,
    detach,
    hand_over,
    hand_over_stream,
    is_current,
    local,
    on_provider_loop,
    run,
    shutdown,
    spawn,
)

__all__ = [
    "attach",
    "cancel",
    "current",
    "detach",
    "hand_over",
    "hand_over_stream",
    "is_current",
    "local",
    "on_provider_loop",
    "run",
    "shutdown",
    "spawn",
]
