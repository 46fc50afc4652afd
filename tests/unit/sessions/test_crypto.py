"""The key ring: what it refuses, what it binds, and how it meets the database."""

import base64
import pickle
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from maestro_site import health
from providers_app.errors import NotConfigured
from sessions_app import credentials, crypto
from sessions_app.crypto import KeyRing
from sessions_app.errors import KeyRingError
from sessions_app.models import AuthSession
from tests.unit.sessions.support import make

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()


def test_what_is_sealed_opens_again() -> None:
    ring = KeyRing.parse(f"a:{KEY}")
    sealed, key_id = ring.seal(b"secret", "p", "row")
    assert key_id == "a" and b"secret" not in sealed
    assert ring.open(sealed, "p", "row") == b"secret"
    assert ring.seal(b"secret", "p", "row")[0] != sealed, "every nonce is new"


@given(plain=st.binary(max_size=300), purpose=st.text(max_size=20), row=st.text(max_size=40))
def test_any_value_survives(plain: bytes, purpose: str, row: str) -> None:
    ring = KeyRing.parse(f"a:{KEY}")
    assert ring.open(ring.seal(plain, purpose, row)[0], purpose, row) == plain


@pytest.mark.parametrize("place", ["version", "key id", "nonce", "ciphertext", "tag"])
def test_a_flipped_bit_anywhere_is_noticed(place: str) -> None:
    ring = KeyRing.parse(f"a:{KEY},b:{OTHER}")
    sealed = bytearray(ring.seal(b"secret", "p", "row")[0])
    index = {"version": 0, "key id": 2, "nonce": 3, "ciphertext": 3 + 12, "tag": -1}[place]
    sealed[index] ^= 3
    with pytest.raises(KeyRingError):
        ring.open(bytes(sealed), "p", "row")


def test_another_row_or_purpose_does_not_open() -> None:
    ring = KeyRing.parse(f"a:{KEY}")
    sealed, _ = ring.seal(b"secret", "session.credential", "row-1")
    for purpose, row in (("session.credential", "row-2"), ("login.attempt", "row-1"), ("session", "credential.row-1")):
        with pytest.raises(KeyRingError) as found:
            ring.open(sealed, purpose, row)
        assert found.value.unopened == (row,)


def test_the_first_key_seals_and_every_key_opens() -> None:
    old = KeyRing.parse(f"old:{KEY}")
    sealed, _ = old.seal(b"secret", "p", "row")
    both = KeyRing.parse(f"new:{OTHER}, old:{KEY}")
    assert both.open(sealed, "p", "row") == b"secret"
    assert both.seal(b"secret", "p", "row")[1] == "new"
    assert both.key_ids == ("new", "old")
    with pytest.raises(KeyRingError) as found:
        KeyRing.parse(f"new:{OTHER}").open(sealed, "p", "row")
    assert found.value.missing == ("old",) and "'old'" in found.value.message


def test_a_key_of_the_same_name_but_other_bytes_does_not_open() -> None:
    sealed, _ = KeyRing.parse(f"a:{KEY}").seal(b"secret", "p", "row")
    with pytest.raises(KeyRingError):
        KeyRing.parse(f"a:{OTHER}").open(sealed, "p", "row")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        ",",
        KEY,
        f"a b:{KEY}",
        f":{KEY}",
        f"{'x' * 17}:{KEY}",
        f"ä:{KEY}",
        "a:",
        "a:not base64!",
        "a:!!!!",
        "a:" + base64.b64encode(b"short").decode(),
        "a:" + base64.b64encode(bytes(33)).decode(),
        f"a:{KEY},a:{OTHER}",
        f"a:{KEY},b:{KEY}",
        f"a={KEY}",
    ],
)
def test_malformed_keys_are_refused_without_quoting_them(text: str) -> None:
    with pytest.raises(KeyRingError) as found:
        KeyRing.parse(text)
    assert KEY not in str(found.value) and OTHER not in str(found.value)
    assert "id:base64" in found.value.hint
    assert found.value.code == "key_ring"


def test_urlsafe_and_unpadded_base64_and_lines_are_read() -> None:
    raw = bytes([251, 255] * 16)
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    ring = KeyRing.parse(f"\n a:{text}\n b:{KEY}\n")
    assert ring.key_ids == ("a", "b") and "a" in ring and "c" not in ring


def test_generated_rings_differ_and_parse() -> None:
    first, second = KeyRing.generate(), KeyRing.generate()
    assert first != second
    assert KeyRing.parse(first).primary != KeyRing.parse(second).primary


def test_a_ring_shows_no_key_and_is_not_pickled() -> None:
    ring = KeyRing.parse(f"a:{KEY}")
    assert repr(ring) == "KeyRing(a)" and KEY not in str(vars(KeyRing))
    with pytest.raises(TypeError):
        pickle.dumps(ring)


@pytest.mark.parametrize(
    "sealed", [b"", b"\x01", b"\x02" + bytes(60), b"\x01\xff" + bytes(20), b"\x01\x01\xff" + bytes(40)]
)
def test_what_is_no_sealed_value_is_refused(sealed: bytes) -> None:
    with pytest.raises(KeyRingError):
        KeyRing.parse(f"a:{KEY}").open(sealed, "p", "row")


def test_without_a_ring_nothing_is_sealed_or_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    crypto.configure(None)
    monkeypatch.setattr(crypto, "_loader", None)
    assert not crypto.configured()
    for call in (
        crypto.current,
        lambda: crypto.current().seal(b"", "p", 1),
        lambda: crypto.current().open(b"", "p", 1),
    ):
        with pytest.raises(NotConfigured) as found:
            call()
        assert "MAESTRO_ENCRYPTION_KEYS" in found.value.hint


def test_a_loader_gives_the_ring_when_it_is_first_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = crypto.KeyRing.parse(crypto.KeyRing.generate())
    monkeypatch.setattr(crypto, "_loader", lambda: ring)
    crypto.configure(None)
    assert not crypto.configured(), "nothing is loaded before it is needed"
    assert crypto.current() is ring and crypto.configured()


def test_sealed_rows_are_seen(alice: User) -> None:
    assert not crypto.sealed_rows_exist()
    make(alice, provider="demo", auth_type="none", secret=credentials.Secret(""))
    assert not crypto.sealed_rows_exist(), "a session without a key seals nothing"
    make(alice, "with_key")
    assert crypto.sealed_rows_exist()


def test_keys_in_use_are_verified(alice: User, ring: KeyRing) -> None:
    crypto.verify_in_use(ring)
    session = make(alice)
    crypto.verify_in_use(ring)
    with pytest.raises(KeyRingError) as found:
        crypto.verify_in_use(KeyRing.parse(f"zz:{KEY}"))
    assert found.value.missing == (ring.primary,) and ring.primary in found.value.message
    with pytest.raises(KeyRingError) as found:
        crypto.verify_in_use(KeyRing.parse(f"{ring.primary}:{KEY}"))
    assert str(session.pk) in found.value.unopened[0]


def test_every_key_id_in_use_is_proven_and_readyz_says_which_is_missing(alice: User, client: Client) -> None:
    both = KeyRing.parse(f"b:{OTHER},a:{KEY}")
    rings = {"a": KeyRing.parse(f"a:{KEY}"), "b": KeyRing.parse(f"b:{OTHER}")}
    for key_id, only in rings.items():
        crypto.configure(only)
        make(alice, f"sealed_by_{key_id}")

    def check(found: KeyRing) -> dict[str, Any]:
        crypto.configure(found)
        checked: dict[str, Any] = client.get("/readyz").json()["checks"]["key ring"]
        return checked

    assert check(both)["ok"]
    for key_id, missing in (("a", "b"), ("b", "a")):
        with pytest.raises(KeyRingError) as caught:
            crypto.verify_in_use(rings[key_id])
        assert caught.value.missing == (missing,)
        found = check(rings[key_id])
        assert not found["ok"] and f"lacks {missing}" in found["detail"]
    swapped = KeyRing.parse(f"a:{OTHER},b:{KEY}")
    with pytest.raises(KeyRingError) as caught:
        crypto.verify_in_use(swapped)
    assert len(caught.value.unopened) == 2
    assert not check(swapped)["ok"]


def test_a_proof_of_the_keys_holds_for_a_time(alice: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    crypto.configure(KeyRing.parse(f"a:{KEY}"))
    assert client.get("/readyz").json()["checks"]["key ring"]["ok"]
    session = make(alice)
    AuthSession.objects.filter(pk=session.pk).update(key_id="gone")
    assert client.get("/readyz").json()["checks"]["key ring"]["ok"]
    monkeypatch.setattr(health, "PROOF_S", -1.0)
    assert not client.get("/readyz").json()["checks"]["key ring"]["ok"]


def test_a_ciphertext_that_was_moved_to_another_row_does_not_open(alice: User) -> None:
    first, second = make(alice, "first"), make(alice, "second")
    row = AuthSession.objects.get(pk=first.pk)
    AuthSession.objects.filter(pk=second.pk).update(sealed_credential=row.sealed_credential, key_id=row.key_id)
    with pytest.raises(KeyRingError):
        credentials.open_credential(AuthSession.objects.get(pk=second.pk))
    assert credentials.open_credential(row).secret


def test_a_value_of_a_newer_version_is_refused_without_showing_it(alice: User) -> None:
    session = make(alice)
    sealed, key_id = crypto.current().seal(b'{"later": "hidden-value"}', crypto.SESSION_CREDENTIAL, session.pk)
    AuthSession.objects.filter(pk=session.pk).update(sealed_credential=sealed, key_id=key_id)
    with pytest.raises(KeyRingError) as found:
        credentials.open_credential(AuthSession.objects.get(pk=session.pk))
    assert "hidden-value" not in str(found.value) and found.value.__cause__ is None


def test_a_ring_of_other_sizes_cannot_be_made() -> None:
    for keys in ({}, {"a": b"short"}, {"a b": bytes(32)}):
        with pytest.raises(KeyRingError):
            KeyRing(keys)
