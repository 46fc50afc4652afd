"""The directory of people that the provider core asks."""

import pytest
from django.contrib.auth import get_user_model

from maestro_site.accounts.people import Directory
from providers_app.ports import SYSTEM


@pytest.mark.django_db(transaction=True)
async def test_the_address_of_a_person() -> None:
    person = await get_user_model().objects.acreate(username="ada", email="ada@example.com")
    silent = await get_user_model().objects.acreate(username="bob")
    directory = Directory()
    assert await directory.email_of(person.pk) == "ada@example.com"
    assert await directory.email_of(silent.pk) == ""
    assert await directory.email_of(10**9) == ""
    assert await directory.email_of(SYSTEM) == ""
