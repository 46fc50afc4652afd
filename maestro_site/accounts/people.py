"""The people of this installation: their addresses for the provider core, and closing an account."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import User

from providers_app.ports import Owner
from sessions_app.stores.pool import in_store

STOP_S = 5.0


class Directory:
    """The port ``People`` of the provider core."""

    async def email_of(self, owner: Owner) -> str:
        """Return the person's e-mail address; empty where there is none, and for the installation itself."""
        if not isinstance(owner, int | str):
            return ""
        return await in_store(lambda: User.objects.filter(pk=owner).values_list("email", flat=True).first()) or ""


def close(people: Collection[Any]) -> bool:
    """Disable these accounts; return True when their answers ended in ``STOP_S`` seconds. Call it in no transaction."""
    from context_app.services import turns  # here: starting a process needs Directory alone

    User.objects.filter(pk__in=people).update(is_active=False)
    return turns.stop_all(people, seconds=STOP_S)
