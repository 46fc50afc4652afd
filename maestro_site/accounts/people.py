"""Removing people: what they have running is stopped first, since its rows may not go while they are written."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import User

from context_app.services import turns

STOP_S = 5.0


def close(people: Collection[Any]) -> bool:
    """Disable the accounts with these primary keys, so that nothing new begins, and stop their answers.

    ``False`` when an answer did not end within ``STOP_S`` seconds. Call it outside of transactions.
    """
    User.objects.filter(pk__in=people).update(is_active=False)
    return turns.stop_all(people, seconds=STOP_S)
