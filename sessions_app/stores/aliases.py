"""The ``AliasStore`` that the provider core is given."""

import time
from collections import OrderedDict
from typing import cast

from providers_app.ports import Alias, Owner
from sessions_app import alias_selectors
from sessions_app.limit_models import limits_of_owner
from sessions_app.models import Pk
from sessions_app.session_cache import SECONDS, session_cache
from sessions_app.stores.pool import in_store
from sessions_app.stores.sessions import as_session

ENTRIES = 256


class DjangoAliasStore:
    """Aliases in Django's database, each kept for two seconds, as the sessions of its routes are.

    Any write of a session or an alias in this process takes all of them out. Call it on the provider loop.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Owner, str], tuple[float, int, Alias]] = OrderedDict()

    async def find_alias(self, owner: Owner, ref: str) -> Alias:
        """Return the alias. Raises ``UnknownAlias``, ``StoreUnavailable``."""
        key, version = (owner, ref), session_cache.version
        kept = self._kept.get(key)
        if kept is not None and kept[1] == version and time.monotonic() < kept[0]:
            return kept[2]
        found = await in_store(_find, cast(Pk, owner), ref)
        self._kept[key] = time.monotonic() + SECONDS, version, found
        self._kept.move_to_end(key)
        while len(self._kept) > ENTRIES:
            self._kept.popitem(last=False)
        return found


def _find(owner: Pk, ref: str) -> Alias:
    row = alias_selectors.find(owner, ref)
    own = limits_of_owner(row)
    return Alias(
        id=str(row.pk),
        owner=row.owner_id,
        name=row.name,
        routes=tuple((as_session(route.session, own), route.model) for route in row.routes.all()),
        sticky=row.sticky,
        page=alias_selectors.page(),
    )
