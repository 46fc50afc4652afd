"""How passwords are kept. The other tests use a quick hash; these use the product's own list."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import check_password, make_password, verify_password
from django.test import override_settings

from maestro_site import settings as product

PASSWORD = "correct horse battery staple"
MD5 = "md5$salt$0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def product_hashers() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=product.PASSWORD_HASHERS):
        yield


def test_a_password_is_kept_as_argon2id() -> None:
    kept = make_password(PASSWORD)
    assert kept.startswith("argon2$argon2id$")
    assert "horse" not in kept
    assert check_password(PASSWORD, kept)
    assert not check_password(PASSWORD[:-1], kept)


def test_an_older_hash_is_taken_once_more_and_renewed_and_a_quick_one_is_not_taken() -> None:
    assert verify_password(PASSWORD, make_password(PASSWORD, hasher="pbkdf2_sha256")) == (True, True)
    with pytest.raises(ValueError, match="Unknown password hashing algorithm"):
        make_password(PASSWORD, hasher="md5")
    assert verify_password(PASSWORD, MD5) == (False, False)
