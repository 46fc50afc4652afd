"""The answers that a class has from the Protocol of the ``oauth`` behaviour, and those that it must bring."""

import pytest

from providers_app.behaviours.oauth import OAuth
from providers_app.providers.openai import oauth as openai
from providers_app.providers.openrouter import oauth as openrouter
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest

ASKED = HttpRequest(method="GET", url="https://api.example/v1/models", headers={"accept": "application/json"})


@pytest.mark.parametrize("behaviour", [openai.BEHAVIOUR, openrouter.BEHAVIOUR])
def test_a_login_without_a_secret_signs_nothing(behaviour: OAuth) -> None:
    assert behaviour.authorize(Credential(auth_type="oauth"), ASKED) == ASKED
    signed = behaviour.authorize(Credential(auth_type="oauth", secret=Secret("t")), ASKED)
    assert (signed.headers["authorization"], signed.secret_headers) == ("Bearer t", {"authorization"})


def test_a_class_that_forgets_a_method_cannot_be_made() -> None:
    class Half(OAuth):
        """It has nothing of its own."""

    with pytest.raises(TypeError, match=r"abstract methods '?begin'?, '?exchange'?, '?flows'?, '?refresh'?, '?test'?"):
        Half()  # type: ignore[abstract]
