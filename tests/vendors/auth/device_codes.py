"""Codes of the device flow: made for a client, typed by a person."""

import secrets
from typing import TYPE_CHECKING

from tests.vendors.auth.hashes import challenge_of
from tests.vendors.auth.records import Device

if TYPE_CHECKING:
    from tests.vendors.auth.book import Book

LIFE = 15 * 60.0
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


def start(book: "Book", client_id: str) -> Device:
    """A new device login."""
    code = "".join(secrets.choice(LETTERS) for _ in range(8))
    verifier = secrets.token_urlsafe(48)
    made = Device(
        f"deviceauth_{secrets.token_hex(12)}",
        f"{code[:4]}-{code[4:]}",
        client_id,
        book.now() + LIFE,
        verifier,
        challenge_of(verifier),
    )
    with book.lock:
        book.devices[made.device_auth_id] = made
    return made


def enter(book: "Book", user_code: str, account: str, *, deny: bool = False) -> bool:
    """What the page does with a typed code; ``False`` for one that is unknown, expired or used."""
    with book.lock:
        typed = user_code.strip().upper()
        for found in book.devices.values():
            if found.user_code == typed and not found.code and found.expires_at > book.now():
                found.denied = deny
                if not deny:
                    scopes = book.clients[found.client_id].default_scopes
                    bound = {"redirect_uri": "device", "challenge": found.challenge, "scopes": scopes}
                    made = book.new_code(client_id=found.client_id, account=account, state="", nonce="", **bound)
                    found.code = made.code
                return True
        return False
