"""Entra's credentials by themselves: what is checked before anything is sent, codes, certificates, one token."""

import asyncio
from collections.abc import Iterator

import pytest

from providers_app.behaviours.credentials.azure_ad import AzureADCredentialProvider, EntraApplication, ManagedIdentity
from providers_app.behaviours.credentials.azure_ad.application import MEANINGS, TERMINAL, explained
from providers_app.behaviours.oauth.refusals import words_of
from providers_app.dispatch import clients
from providers_app.errors import (
    AuthenticationFailed,
    BadRequest,
    InvalidCredential,
    InvalidRequest,
    TokenRefused,
    UpstreamError,
)
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.credentials import Secret
from providers_app.wire.client import Http
from tests.vendors.auth.entra import Application, EntraAuth, add_certificate
from tests.vendors.auth.identity import APP_PATH, IMDS_PATH, IdentityService
from tests.vendors.server import VendorServer

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def application(**changed: object) -> EntraApplication:
    given: dict[str, object] = {"tenant": ID, "client_id": ID, "secret": Secret("Kx8Q~" + "s" * 34)} | changed
    return EntraApplication(**given)  # type: ignore[arg-type]


@pytest.fixture
def http() -> Iterator[Http]:
    yield clients.make(ProvidersConfig(allowed_private_hosts=("127.0.0.1",)))


@pytest.fixture
def registered(entra_auth: VendorServer) -> Application:
    assert isinstance(entra_auth.vendor, EntraAuth)
    return entra_auth.vendor.register()


def source(server: VendorServer, known: Application, **changed: object) -> EntraApplication:
    given = {"tenant": known.tenant, "client_id": known.client_id, "secret": Secret(known.secret)}
    return application(**(given | {"authority": server.origin} | changed))


@pytest.mark.parametrize(
    "tenant", ["", "common", "organizations", "a/b", "../x", "contoso", "x" * 300 + ".com", "ü.de"]
)
def test_what_is_no_tenant_is_refused(tenant: str) -> None:
    with pytest.raises(InvalidRequest, match="tenant"):
        application(tenant=tenant).check()


@pytest.mark.parametrize("tenant", [ID, ID.upper(), "contoso.onmicrosoft.com", "contoso.com"])
def test_a_tenant_is_an_id_or_a_domain(tenant: str) -> None:
    found = application(tenant=tenant)
    found.check()
    assert found.token_url == f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"


def test_a_client_id_is_a_guid_and_a_secret_is_none() -> None:
    with pytest.raises(InvalidRequest, match="client ID"):
        application(client_id="my-app").check()
    with pytest.raises(InvalidCredential, match="ID of a client secret") as caught:
        application(secret=Secret(ID)).check()
    assert ID not in caught.value.message + caught.value.hint


def test_one_of_secret_and_certificate_is_needed() -> None:
    for changed in ({"secret": Secret("")}, {"certificate": Secret("x")}):
        with pytest.raises(InvalidCredential, match="either"):
            application(**changed).check()


def test_nothing_secret_is_in_the_repr() -> None:
    found = application(certificate=Secret("PEM-text-of-a-key"))
    assert "Kx8Q~" not in repr(found) and "PEM-text" not in repr(found)
    assert "header-value" not in repr(ManagedIdentity(header=Secret("header-value")))


def test_certificates_that_cannot_sign_are_refused_with_what_to_paste(registered: Application) -> None:
    good, other = add_certificate(registered), add_certificate(registered)
    certificate, _, key = good.partition("-----BEGIN PRIVATE KEY-----")
    texts = {
        "no certificate": "-----BEGIN PRIVATE KEY-----" + key,
        "no key": certificate,
        "mixed": other.partition("-----BEGIN PRIVATE KEY-----")[0] + "-----BEGIN PRIVATE KEY-----" + key,
        "garbage": "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----",
        "ended": add_certificate(registered, days=-1),
    }
    for text in texts.values():
        with pytest.raises(InvalidCredential) as caught:
            application(secret=Secret(""), certificate=Secret(text)).check()
        assert caught.value.hint and text[40:60] not in caught.value.message
    application(secret=Secret(""), certificate=Secret(f"Bag Attributes\n{other}\n{good}")).check()


def test_codes_are_matched_by_number_and_never_by_text() -> None:
    body = {"error": "invalid_client", "error_description": "AADSTS7000222: no", "error_codes": [7000215, 7000222]}
    assert words_of(body).code == "AADSTS7000215"
    assert words_of({"error": "invalid_client", "error_description": "AADSTS7000215: no"}).code == "invalid_client"
    assert words_of({"error": "x", "error_codes": ["7000215", True, -1, {}, None]}).code == "x"
    assert words_of({"error": "x", "error_codes": "7000215"}).code == "x"
    unknown = AuthenticationFailed("no", upstream_code="AADSTS1")
    assert explained(unknown) is unknown


@pytest.mark.parametrize("code", MEANINGS)
def test_every_code_says_what_and_what_to_do(code: str) -> None:
    found = explained(UpstreamError("raw", status=400, upstream_code=code, retry_after=3))
    assert code in found.message and found.hint
    assert (found.status, found.upstream_code, found.retry_after) == (400, code, 3)
    assert isinstance(found, TokenRefused) == (code in TERMINAL)


async def test_one_token_is_made_for_all_and_kept_until_its_margin(
    entra_auth: VendorServer, registered: Application, http: Http
) -> None:
    now = 1_000_000_000.0
    provider = AzureADCredentialProvider(source(entra_auth, registered), margin=300, clock=lambda: now)
    found = await asyncio.gather(*(provider.credential(http) for _ in range(20)))
    assert len({one.secret for one in found}) == 1
    assert len(entra_auth.ledger) == 1
    await provider.credential(http)
    assert len(entra_auth.ledger) == 1
    refused = await provider.renewed(found[0], AuthenticationFailed("no"), http)
    assert refused.secret != found[0].secret
    assert len(entra_auth.ledger) == 2
    now = 4e9
    assert (await provider.credential(http)).secret != refused.secret
    await http.aclose()


async def test_a_refused_application_raises_what_it_is_and_the_next_call_asks_again(
    entra_auth: VendorServer, registered: Application, http: Http
) -> None:
    provider = AzureADCredentialProvider(source(entra_auth, registered, secret=Secret("Bad8Q~" + "b" * 34)))
    for _ in range(2):
        with pytest.raises(TokenRefused, match="AADSTS7000215"):
            await provider.credential(http)
    assert len(entra_auth.ledger) == 2
    await http.aclose()


async def test_a_scope_that_is_no_default_is_the_operators_mistake(
    entra_auth: VendorServer, registered: Application, http: Http
) -> None:
    for scope, code in (("https://ai.azure.com/read", "1002012"), ("https://elsewhere.example/.default", "500011")):
        with pytest.raises(BadRequest, match=code):
            await source(entra_auth, registered, scope=scope).mint(http)
    await http.aclose()


@pytest.mark.parametrize("path", [IMDS_PATH, APP_PATH])
async def test_an_identitys_token_in_both_forms(imds_server: VendorServer, http: Http, path: str) -> None:
    service = imds_server.vendor
    assert isinstance(service, IdentityService)
    header = Secret(service.header if path == APP_PATH else "")
    provider = AzureADCredentialProvider(ManagedIdentity(url=imds_server.origin + path, header=header))
    found = await asyncio.gather(*(provider.credential(http) for _ in range(5)))
    assert len({one.secret for one in found}) == 1 and len(imds_server.ledger) == 1
    tokens = await ManagedIdentity(url=imds_server.origin + path, header=header).mint(http)
    assert tokens.client.id == service.machine
    assert tokens.expires_at is not None and not tokens.refresh
    await http.aclose()
