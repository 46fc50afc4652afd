import base64
import hashlib
import re

from providers_app.behaviours.oauth import pkce
from providers_app.types.credentials import Secret


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert pkce.challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifiers_states_and_nonces_are_43_unreserved_characters_and_never_the_same() -> None:
    made = [make().reveal() for make in (pkce.new_verifier, pkce.new_state, pkce.new_nonce) for _ in range(200)]
    assert len(set(made)) == 600
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", each) for each in made)


def test_a_challenge_has_no_padding_and_opens_to_the_hash() -> None:
    verifier = pkce.new_verifier()
    challenge = pkce.challenge_of(verifier)
    assert "=" not in challenge
    assert base64.urlsafe_b64decode(challenge + "=") == hashlib.sha256(verifier.reveal().encode()).digest()
