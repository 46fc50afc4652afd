"""The stores that the provider core is given, in Django's database, and the threads that they work on."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sessions_app.stores.pool import in_store

Store = TypeVar("Store")
P = ParamSpec("P")
T = TypeVar("T")


def on_pool(method: Callable[Concatenate[Store, P], T]) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """Make a method that uses the database awaitable on any loop: it runs on a thread of the pool, in one hop."""

    @wraps(method)
    async def wrapper(self: Store, *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_store(method, self, *args, **kwargs)

    return wrapper
