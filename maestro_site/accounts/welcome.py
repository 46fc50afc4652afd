"""The one-time sign-in link: made on first start and by ``manage.py welcome``, spent by one button.

Only the hash of its token is stored, in ``<data folder>/welcome`` (0600). A new link replaces the old one.
"""

import fcntl
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from maestro_site import datadir

LIFETIME_S = 15 * 60


class WelcomeError(Exception):
    """The link cannot be used; the message says why, and what to do."""


def path() -> Path:
    """Return the file of the hash."""
    return settings.DATA_DIR / "welcome"


def ensure_owner() -> User:
    """Return the first active superuser, made without a password when there are no people. Raises ``WelcomeError``."""
    if not User.objects.exists():
        with suppress(IntegrityError), transaction.atomic():
            return User.objects.create_superuser(username="owner", email="", password=None)
    # Another process that started on the same fresh data may have made it meanwhile.
    if (found := User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()) is not None:
        return found
    raise WelcomeError("There is no active superuser. Create one with `manage.py createsuperuser`, or name a USER.")


def create(user: User) -> str:
    """Return the token of a new link for ``user``; earlier links stop working."""
    token = secrets.token_urlsafe(32)
    record = {"user": user.pk, "hash": _digest(token), "expires": time.time() + LIFETIME_S}
    datadir.private_file(path(), json.dumps(record)).replace(path())
    return token


def check(token: str) -> User:
    """Return the person whom the link signs in, without spending it. Raises ``WelcomeError``."""
    try:
        record = json.loads(path().read_text())
    except FileNotFoundError:
        raise WelcomeError("This link was already used, or replaced by a newer one.") from None
    except (OSError, ValueError):
        raise WelcomeError("The stored link cannot be read.") from None
    if not hmac.compare_digest(str(record.get("hash", "")), _digest(token)):
        raise WelcomeError("This link was already used, or replaced by a newer one.")
    if time.time() > float(record.get("expires", 0)):
        raise WelcomeError("This link is older than 15 minutes.")
    if (user := User.objects.filter(pk=record.get("user"), is_active=True).first()) is None:
        raise WelcomeError("The person of this link is disabled or gone.")
    return user


def spend(token: str) -> User:
    """Return the person whom the link signs in, and use it up for one caller only. Raises ``WelcomeError``."""
    with datadir.locked(settings.DATA_DIR / "welcome.lock"):
        user = check(token)
        path().unlink()
    return user


class AlreadyServed(Exception):
    """Another ``up`` runs on this data folder; ``address`` is its."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


@contextmanager
def serving(address: str, *, alone: bool = False) -> Iterator[None]:
    """Record the address that this process serves while the block runs. A lock, which ends with the process, says so.

    ``alone``: a web server without worker and schedule, of which several may run on one data folder; the address of
    the next is recorded when the first ends. Raises ``AlreadyServed`` where a server with them runs there.
    """
    with ExitStack() as held:
        if not alone:
            path = settings.DATA_DIR / "up.lock"
            try:
                _write(held.enter_context(datadir.locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)), address)
            except BlockingIOError:
                raise AlreadyServed(path.read_text().strip()) from None
        try:
            _write(held.enter_context(datadir.locked(_address_file(), fcntl.LOCK_EX | fcntl.LOCK_NB)), address)
        except BlockingIOError:
            threading.Thread(target=_record_in_turn, args=(address,), name="address", daemon=True).start()
        yield


def _record_in_turn(address: str) -> None:
    with datadir.locked(_address_file()) as file:
        _write(file, address)
        threading.Event().wait()  # until the process ends


def _write(file: TextIO, address: str) -> None:
    file.truncate(0)
    file.write(address)
    file.flush()


def site_address() -> str:
    """Return the address that ``up`` serves now; where none runs, the configured one, else the one served last."""
    running = ""
    try:
        with datadir.locked(_address_file(), fcntl.LOCK_SH | fcntl.LOCK_NB) as file:
            file.seek(0)
            served = file.read().strip()
    except BlockingIOError:
        running = served = _address_file().read_text().strip()
    return running or settings.MAESTRO.public_url or served or "http://127.0.0.1:8000"


def _address_file() -> Path:
    return settings.DATA_DIR / "address"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
