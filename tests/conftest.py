"""Fixtures for every test: no network beyond loopback, real servers, and a missing binary that CI does not forgive."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.test import override_settings

from context_app import markup_worker
from providers_app import conf as providers_conf
from providers_app import ports
from providers_app.registry.discovery import registry
from sessions_app import crypto
from tests import guards, servers

__all__ = ["guards"]  # imported for its hook
pytest_plugins = ["tests.vendors.fixtures", "tests.fixtures_atomic", "tests.fixtures_database"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--mock-providers``: the cross-provider suite against recorded answers, without the strict servers."""
    parser.addoption(
        "--mock-providers", action="store_true", help="run the cross-provider suite with recorded answers only"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A marker per provider that there is, for the tests against the real ones (``tests/integration/README.md``)."""
    for slug in registry.packages():
        config.addinivalue_line("markers", f"provider_{slug}: asks the real {slug}")


def need(binary: str) -> str:
    """The path of a binary; without it the test is skipped, and fails where ``CI`` is set."""
    path = shutil.which(binary)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{binary} is not installed, and CI does not skip tests for that")
        pytest.skip(f"{binary} is not installed")
    return path


markup_worker.SECONDS = 60.0  # what a text looks like must not depend on how busy the machine is


@pytest.fixture(autouse=True, scope="session")
def key_ring() -> None:
    """A key ring of this run; ``manage.py`` would have made one."""
    crypto.configure(crypto.KeyRing.parse(crypto.KeyRing.generate()))


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Argon2 is slow on purpose: half a second for each user of a test. ``test_passwords`` checks the product's own."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


class NoAddresses:
    """A ``PolicyStore`` that allows no private address, for tests without a database."""

    async def allowed_pairs(self) -> tuple[str, ...]:
        return ()


@pytest.fixture(autouse=True)
def policies_without_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that does not ask for the database has an owner who allowed nothing."""
    if request.node.get_closest_marker("django_db") or {"db", "transactional_db"} & set(request.fixturenames):
        yield
        return
    with ports.use(policies=NoAddresses()):
        yield


def _private_hosts(*hosts: str) -> Iterator[None]:
    before = providers_conf.current()
    providers_conf.configure(before.model_copy(update={"allowed_private_hosts": hosts}))
    yield
    providers_conf.configure(before)


@pytest.fixture
def loopback_allowed() -> Iterator[None]:
    """Base URLs may point to this machine, as an operator would allow for a local server."""
    yield from _private_hosts("127.0.0.1")


@pytest.fixture
def no_private_hosts() -> Iterator[None]:
    """The setting allows no private address."""
    yield from _private_hosts()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a real Redis."""
    need("redis-server")
    server = servers.Redis()
    yield server.start()
    server.stop()
