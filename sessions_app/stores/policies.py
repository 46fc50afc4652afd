"""The ``PolicyStore`` that the provider core is given."""

from collections.abc import Collection

from sessions_app.services import addresses
from sessions_app.stores.pool import on_pool


class DjangoPolicyStore:
    """Decisions of the installation's owner in Django's database; nothing is cached, so a removal holds at once.

    It is asked about private addresses only, once for each request that goes to one.
    """

    @on_pool
    def allowed_pairs(self) -> Collection[str]:
        """Return the allowed ``host:port`` pairs. Raises ``StoreUnavailable``, ``NotConfigured``."""
        return addresses.allowed_pairs()
