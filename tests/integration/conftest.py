"""Real providers are asked only on request: by their marker, and with a key in the environment."""

from collections.abc import Iterator

import pytest

from tests import guards
from tests.integration.real import key_of


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what was not asked for, or has no key: it is no test that was skipped."""
    asked = any(word in (config.option.markexpr or "") for word in ("integration", "provider_"))
    kept, left = [], []
    for item in items:
        slug = getattr(getattr(item, "callspec", None), "params", {}).get("slug", "")
        real = item.get_closest_marker("integration") is not None
        (left if real and not (asked and key_of(slug)) else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture
def network() -> Iterator[None]:
    """The one place where tests may leave this machine."""
    guards.watch.network = False
    yield
    guards.watch.network = True
