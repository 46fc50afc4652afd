"""Credentials in and out of their rows; together with ``crypto`` the only code that touches the sealed column.

Everything here is synchronous and expects to run where the database may be used.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.errors import NotConfigured, UnknownSession
from providers_app.types.credentials import Credential, Secret
from sessions_app import crypto
from sessions_app.errors import KeyRingError
from sessions_app.models import AuthSession


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What is inside a sealed value; a later version may add fields."""

    secret: str

    def __repr__(self) -> str:
        return "_Sealed(***)"


_decoder = msgspec.json.Decoder(_Sealed)


def sealed_columns(row_id: object, secret: Secret) -> dict[str, Any]:
    """The column values that store ``secret`` in the row with this id; nothing is sealed where there is no secret."""
    if not secret:
        return {"sealed_credential": b"", "key_id": ""}
    plain = msgspec.json.encode(_Sealed(secret=secret.reveal()))
    sealed, key_id = crypto.seal(plain, crypto.SESSION_CREDENTIAL, row_id)
    return {"sealed_credential": sealed, "key_id": key_id}


def open_credential(session: AuthSession) -> Credential:
    """The credential that requests of this session are signed with. Raises ``NotConfigured``, ``KeyRingError``."""
    return Credential(
        auth_type=session.auth_type,  # type: ignore[arg-type]
        secret=_open_secret(session),
        base_url=session.base_url or None,
        settings={str(name): str(value) for name, value in session.settings.items()},
    )


def has_secret(session: AuthSession) -> bool:
    """Is a key stored? Never says which."""
    return bool(session.key_id)


def without_secret(text: str, credential: Credential) -> str:
    """``text`` with the credential's key taken out: a provider may repeat what it was sent."""
    secret = credential.secret.reveal()
    return text.replace(secret, "***") if secret else text


def without_stored_secret(text: str, session: AuthSession) -> str:
    """``without_secret`` for what this row stores; a text that cannot be cleaned for want of the key is dropped."""
    try:
        return without_secret(text, open_credential(session))
    except NotConfigured:
        return ""


def replace(session: AuthSession, secret: Secret, changes: Mapping[str, Any]) -> int:
    """Store another secret (or none) with ``changes``, by compare-and-swap on the generation; the new generation.

    Whoever read the credential before keeps a value of an older generation and cannot write over this one. A person's
    own replacement wins over a concurrent one, so a lost swap is repeated on the newer row. Raises ``UnknownSession``
    when the session was deleted meanwhile.
    """
    columns = sealed_columns(session.pk, secret)
    rows = AuthSession.objects.filter(pk=session.pk, deleted_at__isnull=True)
    for _ in range(10):
        generation = rows.values_list("generation", flat=True).first()
        if generation is None:
            break
        if rows.filter(generation=generation).update(generation=generation + 1, **columns, **changes):
            return generation + 1
    raise UnknownSession(f"The session '{session.name}' was deleted meanwhile.")


DESTROYED: Mapping[str, Any] = {"sealed_credential": b"", "key_id": ""}
"""Column values that leave nothing to open."""


def _open_secret(session: AuthSession) -> Secret:
    if not session.key_id:
        return Secret("")
    plain = crypto.open(bytes(session.sealed_credential), crypto.SESSION_CREDENTIAL, session.pk)
    try:
        return Secret(_decoder.decode(plain).secret)
    except msgspec.MsgspecError:
        # Not chained: the decoder's message may quote what it could not read.
        raise KeyRingError("A stored credential was written by a newer version of Maestro.") from None
