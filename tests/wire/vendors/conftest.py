"""The four API-key providers, each with its strict server, and an empty store."""

from collections.abc import Iterator

import pytest

from providers_app import conf, ports
from tests.wire.vendors.connected import SETTINGS, VENDORS, Vendor
from tests.wire.vendors.memory_store import MemorySessions


@pytest.fixture
def store() -> Iterator[MemorySessions]:
    """An empty store, installed for the test, with the loopback address allowed."""
    sessions = MemorySessions()
    conf.configure(SETTINGS)
    with ports.use(sessions=sessions):
        yield sessions
    conf.configure(None)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, store: MemorySessions) -> Vendor:
    """Each of the four in turn."""
    server, key, model, listed = VENDORS[request.param]
    return Vendor(request.param, request.getfixturevalue(server), key, model, listed, store)
