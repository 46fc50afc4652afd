"""The key ring: AES-256-GCM, bound to the purpose and the row, ready for rotation.

A sealed value is ``version (1 byte) | length of key id (1 byte) | key id | nonce (12 bytes) | ciphertext and tag``.
Everything before the nonce, a constant purpose label and the id of the row are authenticated with it, so that a sealed
value that was moved to another row or used for another purpose does not open. The first key seals; all of them open.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from providers_app.errors import NotConfigured
from sessions_app.errors import KeyRingError

SESSION_CREDENTIAL = "session.credential"
LOGIN_PENDING = "login.pending"
LOGIN_TOKENS = "login.tokens"
IMPORT_BACKUP = "import.backup"

_VERSION = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")


class SealedColumn(NamedTuple):
    """A column that holds sealed values. ``key_field`` names each row's key and is empty where nothing is sealed."""

    model: str
    field: str
    key_field: str
    purpose: str


SEALED_COLUMNS: tuple[SealedColumn, ...] = (
    SealedColumn("sessions_app.AuthSession", "sealed_credential", "key_id", SESSION_CREDENTIAL),
    SealedColumn("sessions_app.OAuthAttempt", "sealed_pending", "pending_key_id", LOGIN_PENDING),
    SealedColumn("sessions_app.OAuthAttempt", "sealed_tokens", "tokens_key_id", LOGIN_TOKENS),
    SealedColumn("sessions_app.ImportRun", "sealed_backup", "key_id", IMPORT_BACKUP),
)


class KeyRing:
    """An ordered set of named 256-bit keys, immutable; the first one is primary."""

    __slots__ = ("_keys", "primary")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """``keys`` maps ids (1-16 letters, digits, ``_``, ``-``) to 32 bytes each. Raises ``KeyRingError``."""
        if not keys:
            raise KeyRingError("The key ring is empty.", hint=_FORMAT_HINT)
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise KeyRingError("A key id must be 1 to 16 letters, digits, _ or -.", hint=_FORMAT_HINT)
            if len(key) != _KEY_BYTES:
                raise KeyRingError(f"The key '{key_id}' has {len(key)} bytes instead of 32.", hint=_FORMAT_HINT)
        if len(set(keys.values())) != len(keys):
            raise KeyRingError("The key ring has the same key under two ids.", hint=_FORMAT_HINT)
        self.primary = next(iter(keys))
        self._keys = MappingProxyType({key_id: AESGCM(key) for key_id, key in keys.items()})

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Parse ``id:base64`` entries, separated by commas or white space; the first is primary.

        Raises ``KeyRingError`` for anything else; the message names the entry by position or id and never quotes a key.
        """
        keys: dict[str, bytes] = {}
        for position, entry in enumerate(re.split(r"[,\s]+", text.strip(" \t\r\n,")), start=1):
            key_id, colon, encoded = entry.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                raise KeyRingError(f"Entry {position} of the encryption keys is not `id:base64`.", hint=_FORMAT_HINT)
            if key_id in keys:
                raise KeyRingError(f"The encryption keys name '{key_id}' twice.", hint=_FORMAT_HINT)
            try:
                padded = encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)
                keys[key_id] = base64.b64decode(padded.translate(_URL_SAFE), validate=True)
            except (binascii.Error, ValueError):
                raise KeyRingError(f"The key '{key_id}' is not base64.", hint=_FORMAT_HINT) from None
        return cls(keys)

    @staticmethod
    def generate() -> str:
        """Return the text of a new ring with one random key, as ``parse`` reads it."""
        key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        return f"k{secrets.token_hex(4)}:{key}"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids, primary first."""
        return tuple(self._keys)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def __reduce__(self) -> str:
        raise TypeError("a KeyRing is not serialised")

    def seal(self, plain: bytes, purpose: str, row_id: object) -> tuple[bytes, str]:
        """Return ``plain`` sealed under the primary key for this purpose and row, and that key's id."""
        header = bytes((_VERSION, len(self.primary))) + self.primary.encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = self._keys[self.primary].encrypt(nonce, plain, _bound(header, purpose, row_id))
        return header + nonce + cipher, self.primary

    def open(self, sealed: bytes | memoryview, purpose: str, row_id: object) -> bytes:
        """Return what ``seal`` was given. Raises ``KeyRingError``: unknown key, damaged, another row or purpose."""
        sealed = bytes(sealed)
        key_id, header = _header(sealed)
        key = self._keys.get(key_id)
        if key is None:
            what = f"A stored credential was sealed with the key '{key_id}', which the key ring does not have."
            raise KeyRingError(what, missing=(key_id,))
        nonce = sealed[len(header) : len(header) + _NONCE_BYTES]
        try:
            return key.decrypt(nonce, sealed[len(header) + _NONCE_BYTES :], _bound(header, purpose, row_id))
        except (InvalidTag, ValueError):
            raise KeyRingError(
                f"A stored credential does not open with the key '{key_id}': it is damaged, was sealed with another "
                "key of that name, or belongs to another row.",
                unopened=(str(row_id),),
            ) from None


_FORMAT_HINT = "Write `id:base64` entries separated by commas, each with 32 random bytes; the first one is primary."
_URL_SAFE = str.maketrans("-_", "+/")


def _header(sealed: bytes) -> tuple[str, bytes]:
    """Return the key id of a sealed value and its authenticated header. Raises ``KeyRingError``."""
    if len(sealed) >= 2 and sealed[0] == _VERSION and len(sealed) >= 2 + sealed[1] + _NONCE_BYTES + 16:
        header = sealed[: 2 + sealed[1]]
        with suppress(UnicodeDecodeError):
            return header[2:].decode("ascii"), header
    raise KeyRingError("A stored credential is not in a format that this version can open.")


def _bound(header: bytes, purpose: str, row_id: object) -> bytes:
    return b"\x00".join((header, purpose.encode(), str(row_id).encode()))


_ring: KeyRing | None = None
_loader: Callable[[], KeyRing] | None = None


def configure(ring: KeyRing | None) -> None:
    """Install the ring of this process; ``None`` takes it away (tests)."""
    global _ring
    _ring = ring


def load_with(loader: Callable[[], KeyRing]) -> None:
    """Set the loader of the ring, called when it is first needed and none is installed: in a script, a worker."""
    global _loader
    _loader = loader


def configured() -> bool:
    """Say whether a ring is installed."""
    return _ring is not None


def current() -> KeyRing:
    """Return the installed ring, else the loader's. Raises ``NotConfigured``."""
    if _ring is None and _loader is not None:
        configure(_loader())
    if _ring is None:
        raise NotConfigured(
            "No encryption key is installed, so no credential can be sealed or opened.",
            hint="Set MAESTRO_ENCRYPTION_KEYS, or let `manage.py up` make a key file.",
        )
    return _ring


def sealed_rows_exist() -> bool:
    """Say whether the database holds anything sealed; ``False`` before the first migration."""
    return any(rows.exists() for _, rows in _sealed_rows())


def verify_in_use(ring: KeyRing) -> None:
    """Prove that every key id of the database is in the ring and opens a row. Raises ``KeyRingError``, naming them."""
    missing: set[str] = set()
    unopened: list[str] = []
    for column, rows in _sealed_rows():
        for key_id in rows.order_by(column.key_field).values_list(column.key_field, flat=True).distinct():
            if key_id not in ring:
                missing.add(key_id)
                continue
            row_id, sealed = rows.filter(**{column.key_field: key_id}).values_list("pk", column.field)[0]
            try:
                ring.open(sealed, column.purpose, row_id)
            except KeyRingError:
                unopened.append(f"{key_id} (row {row_id})")
    wrong = [f"the key ring lacks {', '.join(sorted(missing))}"] if missing else []
    wrong += [f"these keys do not open what they sealed: {', '.join(unopened)}"] if unopened else []
    if wrong:
        text = f"Stored credentials cannot be opened: {'; '.join(wrong)}."
        raise KeyRingError(text, missing=tuple(sorted(missing)), unopened=tuple(unopened))


def _sealed_rows() -> list[tuple[SealedColumn, Any]]:
    """Return the rows that hold sealed values, by column; none of a table that is not yet migrated."""
    # Models are looked up by name: settings import this module before any model can be.
    from django.apps import apps
    from django.db import connection

    tables = set(connection.introspection.table_names())
    models = [(column, apps.get_model(column.model)) for column in SEALED_COLUMNS]
    present = [(column, model._base_manager) for column, model in models if model._meta.db_table in tables]
    return [(column, rows.exclude(**{column.key_field: ""})) for column, rows in present]
