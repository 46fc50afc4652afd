"""The enterprise gateway in front of any provider: address, headers, its own token, who is to blame for a refusal."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from providers_app import conf, ports, provider
from providers_app.dispatch import clients
from providers_app.dispatch.credentials import SessionClient
from providers_app.errors import AuthenticationFailed, NotConfigured, ProviderError, UpstreamError
from providers_app.genai_platform import endpoint
from providers_app.genai_platform.config import GenAIPlatformConfig
from providers_app.loop import on_provider_loop
from providers_app.ports import Owner
from providers_app.registry.resolver import resolve
from providers_app.types.credentials import Credential, Secret
from tests.vendors import genai_platform as words
from tests.vendors.auth.entra import EntraAuth
from tests.vendors.genai_platform import GenAIPlatformVendor
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import SETTINGS, VENDORS, WEATHER, Vendor, calls_of, text_of
from tests.wire.vendors.memory_store import MemorySessions

CORRELATION = "x-correlation-id"


class Directory:
    """One person with an address that is no plain ASCII."""

    async def email_of(self, owner: Owner) -> str:
        return "jörg@example.com"


@pytest.fixture(scope="module")
def _process() -> Iterator[VendorServer]:
    with VendorServer(GenAIPlatformVendor(), path="/genai") as server:
        yield server


@pytest.fixture
def genai_platform(
    _process: VendorServer,
    anthropic_server: VendorServer,
    openai_server: VendorServer,
    gemini_server: VendorServer,
    chat_server: VendorServer,
) -> VendorServer:
    """The gateway in front of four providers, with nothing issued yet."""
    assert isinstance(_process.vendor, GenAIPlatformVendor)
    servers = {"anthropic": anthropic_server, "openai": openai_server, "gemini": gemini_server, "remote": chat_server}
    _process.vendor.reset(servers)
    return _process


def config_of(server: VendorServer, **changes: Any) -> GenAIPlatformConfig:
    """The gateway as the strict server wants to be asked."""
    values: dict[str, Any] = {
        "enabled": True,
        "base_url": server.base_url,
        "path_template": "/{provider}{path}",
        "project": "cc-4711",
        "headers": "X-User-Id: {user.id}; X-User-Email: {user.email}; X-Cost-Centre: {project}; "
        "X-Correlation-Id: {request.id}; X-Environment: test",
        "secret_headers": SecretStr(f"Ocp-Apim-Subscription-Key: {words.SUBSCRIPTION}"),
        "token_source": "client_credentials",
        "token_url": server.origin + "/oauth/token",
        "client_id": words.CLIENT_ID,
        "client_secret": SecretStr(words.CLIENT_SECRET),
        "scope": words.SCOPE,
        "token_header": "X-Gateway-Token",
        "token_scheme": "Token",
    }
    return GenAIPlatformConfig(**{**values, **changes})


@pytest.fixture
def platform(genai_platform: VendorServer, vendor: Vendor) -> Iterator[GenAIPlatformVendor]:
    """The gateway in front of each provider in turn. Its address is nowhere on the list of private hosts."""
    settings = SETTINGS.model_copy(update={"allowed_private_hosts": ()})
    conf.configure(settings, config_of(genai_platform))
    assert isinstance(genai_platform.vendor, GenAIPlatformVendor)
    with ports.use(people=Directory()):
        yield genai_platform.vendor
    conf.configure(None)


async def connect(vendor: Vendor) -> None:
    """A session whose address would be refused, were it asked directly: only the gateway may be reached."""
    settings, gateway = conf.current(), conf.platform()
    with conf.use(SETTINGS, gateway):
        await vendor.connect()
    assert conf.current() is settings


async def test_answers_come_through_the_gateway(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    await connect(vendor)
    whole = await provider.complete_chat(vendor.slug, "main", "Hello there.", model=vendor.model)
    assert whole.complete and whole.text and whole.usage is not None and whole.usage.source == "provider"
    events = await vendor.stream("tools", tools=[WEATHER])
    assert len(calls_of(events)) == 2
    assert text_of(await vendor.stream())
    asked = [entry for entry in platform.ledger if entry.path != "/oauth/token"]
    assert all(entry.path.startswith(f"/genai/{vendor.slug}/") for entry in asked)
    assert len(asked) == len(vendor.ledger) == 3
    first = asked[0].headers
    assert first["x-user-id"] == "1"
    assert first["x-user-email"] == "j%C3%B6rg@example.com"
    assert first["x-cost-centre"] == "cc-4711"
    assert len({entry.headers[CORRELATION] for entry in asked}) == 3
    # The provider behind it saw its own key and nothing of the gateway's.
    assert {entry.key for entry in vendor.ledger} == {"right"}
    assert "x-gateway-token" not in vendor.ledger[0].headers


async def test_listing_counting_and_testing_take_the_same_way(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    await connect(vendor)
    assert await provider.list_models(vendor.slug, "api_key", "main")
    await provider.test_session(vendor.slug, "api_key", "main")
    await provider.count_tokens(vendor.slug, "main", "Hello there.", model=vendor.model)
    paths = [entry.path for entry in platform.ledger if entry.path != "/oauth/token"]
    assert len(paths) == len(vendor.ledger)
    assert all(path.startswith(f"/genai/{vendor.slug}/") for path in paths)
    assert len(platform.ledger.of("/oauth/token")) == 1


async def test_many_at_once_ask_for_one_token(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    await connect(vendor)
    calls = (provider.complete_chat(vendor.slug, "main", f"Hello {n}.", model=vendor.model) for n in range(12))
    results = await asyncio.gather(*calls)
    assert all(result.complete for result in results)
    assert len(platform.issued) == 1


async def test_a_token_that_is_refused_is_made_anew_once(
    vendor: Vendor, platform: GenAIPlatformVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "YOUNG_S", 0.0)
    await connect(vendor)
    assert text_of(await vendor.stream())
    platform.revoke_all()
    assert text_of(await vendor.stream())
    platform.revoke_all()
    assert await provider.list_models(vendor.slug, "api_key", "main", refresh=True)
    assert len(platform.ledger.of("/oauth/token")) == 3


async def test_wrong_keys_use_up_no_tokens(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    with conf.use(SETTINGS, conf.platform()):
        await vendor.connect(key=vendor.key[:-4] + "zzzz")
    for _ in range(5):
        with pytest.raises(AuthenticationFailed):
            await vendor.stream()
    assert len(platform.issued) == 1


async def test_many_refused_at_once_share_one_new_token(
    vendor: Vendor, platform: GenAIPlatformVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect(vendor)
    assert text_of(await vendor.stream())
    monkeypatch.setattr(endpoint, "YOUNG_S", 0.0)
    platform.revoke_all()
    calls = (provider.complete_chat(vendor.slug, "main", f"Hello {n}.", model=vendor.model) for n in range(8))
    assert all(result.complete for result in await asyncio.gather(*calls))
    assert len(platform.ledger.of("/oauth/token")) == 2


async def test_a_wrong_login_is_tried_through_the_gateway(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    with conf.use(SETTINGS, conf.platform()):
        session = await vendor.connect()
    _, credential = await vendor.store.lookup(1, vendor.slug, session.id)
    assert (
        await provider.try_credential(vendor.slug, credential, owner=1)
    ).request_id is not None or vendor.slug != "openai"
    wrong = msgspec.structs.replace(credential, secret=Secret(vendor.key[:-4] + "zzzz"))
    with pytest.raises(AuthenticationFailed):
        await provider.try_credential(vendor.slug, wrong, owner=1)
    assert all(entry.path.startswith("/genai/") for entry in platform.ledger if entry.path != "/oauth/token")


async def test_a_token_in_the_providers_own_header_is_to_blame_itself(
    genai_platform: VendorServer, store: MemorySessions
) -> None:
    vendor = openai_behind(genai_platform, store)
    taken = config_of(
        genai_platform, token_source="static", token=SecretStr("no-such-token"), token_header="Authorization"
    )
    refused = pytest.raises(NotConfigured, match="refused its own credential")
    with ports.use(people=Directory()), conf.use(SETTINGS, taken), refused:
        await vendor.stream()
    assert store.outcomes == []


class Ended:
    """A login whose token has ended, and that can be renewed."""

    def __init__(self, old: Credential, new: Credential) -> None:
        self.old, self.new, self.renewals = old, new, 0

    async def credential(self, http: Any) -> Credential:
        return self.old

    async def renewed(self, refused: Credential, error: AuthenticationFailed, http: Any) -> Credential:
        assert refused == self.old
        self.renewals += 1
        return self.new


async def test_after_the_gateways_token_the_sessions_credential_is_renewed_as_well(
    genai_platform: VendorServer, store: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "YOUNG_S", 0.0)
    vendor = openai_behind(genai_platform, store)
    gateway = genai_platform.vendor
    assert isinstance(gateway, GenAIPlatformVendor)
    with ports.use(people=Directory()), conf.use(SETTINGS, config_of(genai_platform)):
        session = await vendor.connect()
        assert text_of(await vendor.stream())
        _, good = await store.lookup(1, "openai", session.id)
        login = Ended(msgspec.structs.replace(good, secret=Secret(vendor.key[:-4] + "zzzz")), good)
        gateway.revoke_all()

        @on_provider_loop
        async def listed() -> int:
            client = SessionClient(1, session, login)

            async def ask(credential: Credential) -> int:
                http = clients.http_for("openai", 1, credential)
                return len(await resolve("openai", "models").list(credential, http))

            return await client.attempt(ask)

        assert await listed() > 0
    assert login.renewals == 1
    asked = [entry.status for entry in genai_platform.ledger if entry.path.endswith("/models")]
    assert asked == [401, 401, 200]
    assert len(gateway.ledger.of("/oauth/token")) == 2


async def test_an_address_that_climbs_is_refused(genai_platform: VendorServer, store: MemorySessions) -> None:
    vendor = openai_behind(genai_platform, store)
    for path in ("/../../admin", "/%2e%2e/%2E%2e/admin", "/v1/..%2fadmin", "/..\\admin"):
        with conf.use(SETTINGS, config_of(genai_platform)), pytest.raises(ProviderError):
            await provider.create_session(
                "openai", "api_key", name="climber", api_key=vendor.key, base_url="https://api.openai.com" + path
            )
    with conf.use(SETTINGS, config_of(genai_platform)):
        await vendor.connect()
        with pytest.raises(ProviderError):
            await provider.get_model("gemini", "main", "../../admin")
    assert len(genai_platform.ledger) == 0


async def test_a_refused_client_is_the_operators_matter(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    platform.refusing = "unauthorized_client"
    await connect(vendor)
    with pytest.raises(NotConfigured, match="token could not be had") as caught:
        await vendor.stream()
    assert "MAESTRO_GENAI_PLATFORM__TOKEN_SOURCE" in caught.value.hint
    assert words.CLIENT_SECRET not in str(caught.value) + caught.value.hint
    assert vendor.store.outcomes == []
    assert len(vendor.ledger) == 0


async def test_the_providers_own_refusal_still_is_the_sessions(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    settings = conf.current()
    with conf.use(SETTINGS, conf.platform()):
        await vendor.connect(key=vendor.key[:-4] + "zzzz")
    assert conf.current() is settings
    with pytest.raises(UpstreamError) as caught:
        await vendor.stream()
    assert isinstance(caught.value, AuthenticationFailed)
    assert isinstance(await vendor.outcome(), AuthenticationFailed)


async def test_without_the_providers_credential_a_refusal_is_the_gateways(
    vendor: Vendor, platform: GenAIPlatformVendor, genai_platform: VendorServer
) -> None:
    await connect(vendor)
    without = config_of(
        genai_platform, provider_credential="remove", token_source="static", token=SecretStr("gateway-token-no-more")
    )
    with conf.use(conf.current(), without), pytest.raises(NotConfigured, match="refused its own credential") as caught:
        await vendor.stream()
    assert "gateway-token-no-more" not in str(caught.value)
    asked = platform.ledger[-1].headers
    assert vendor.key not in str(asked)
    assert vendor.store.outcomes == []


async def test_a_preview_shows_the_way_and_asks_nobody(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    await connect(vendor)
    shown = await provider.preview_request(vendor.slug, "main", "Hello there.", model=vendor.model)
    assert f"/genai/{vendor.slug}/" in shown.url
    assert shown.headers["X-Gateway-Token"] == shown.headers["Ocp-Apim-Subscription-Key"] == "***"
    assert shown.headers["X-Cost-Centre"] == "cc-4711"
    assert words.SUBSCRIPTION not in str(shown.headers) and vendor.key not in str(shown.headers)
    assert len(platform.ledger) == 0
    await vendor.stream()
    assert json.loads(shown.body) == vendor.ledger[-1].body


async def test_other_providers_go_straight(vendor: Vendor, genai_platform: VendorServer) -> None:
    conf.configure(SETTINGS, config_of(genai_platform, providers="azure_openai"))
    assert text_of(await vendor.stream())
    assert len(genai_platform.ledger) == 0


async def test_an_error_of_the_gateway_quotes_no_secret(vendor: Vendor, platform: GenAIPlatformVendor) -> None:
    await connect(vendor)
    broken = conf.platform().model_copy(update={"secret_headers": {}})
    with conf.use(conf.current(), broken), pytest.raises(UpstreamError) as caught:
        await vendor.stream()
    text = f"{caught.value} {caught.value.hint}"
    assert "subscription key" in text
    assert not any(token in text for token in platform.issued)


def openai_behind(genai_platform: VendorServer, store: MemorySessions) -> Vendor:
    """One of the four, for what is the same with each."""
    slug = "openai"
    server_key, model = VENDORS[slug][1], VENDORS[slug][2]
    vendor = genai_platform.vendor
    assert isinstance(vendor, GenAIPlatformVendor)
    return Vendor(slug, vendor.servers[slug], server_key, model, None, store)


async def answered(vendor: Vendor, gateway: VendorServer, **source: Any) -> GenAIPlatformVendor:
    """An answer through the gateway, whose token has another source; the gateway takes any token now."""
    platform = gateway.vendor
    assert isinstance(platform, GenAIPlatformVendor)
    platform.trusting = True
    plain = {"token_url": "", "client_id": "", "client_secret": SecretStr(""), "scope": ""}
    with ports.use(people=Directory()), conf.use(SETTINGS, config_of(gateway, **{**plain, **source})):
        assert text_of(await vendor.stream())
        assert text_of(await vendor.stream())
    return platform


async def test_a_token_of_entra(genai_platform: VendorServer, store: MemorySessions, entra_auth: VendorServer) -> None:
    assert isinstance(entra_auth.vendor, EntraAuth)
    known = entra_auth.vendor.register()
    platform = await answered(
        openai_behind(genai_platform, store),
        genai_platform,
        token_source="entra",
        token_url=entra_auth.origin,
        tenant=known.tenant,
        client_id=known.client_id,
        client_secret=SecretStr(known.secret),
    )
    assert len(entra_auth.ledger) == 1
    assert len({entry.headers["x-gateway-token"] for entry in platform.ledger}) == 1


async def test_a_token_of_the_machines_identity_at_google(
    genai_platform: VendorServer, store: MemorySessions, gce_metadata: VendorServer
) -> None:
    platform = await answered(
        openai_behind(genai_platform, store),
        genai_platform,
        token_source="google_identity",
        token_url=gce_metadata.origin,
    )
    assert len({entry.headers["x-gateway-token"] for entry in platform.ledger}) == 1
    assert len(gce_metadata.ledger.of("/token")) == 1


async def test_a_service_account_that_cannot_be_read_is_the_operators_matter(
    genai_platform: VendorServer, store: MemorySessions
) -> None:
    with pytest.raises(NotConfigured, match="could not be had") as caught:
        await answered(
            openai_behind(genai_platform, store),
            genai_platform,
            token_source="google",
            service_account=SecretStr('{"type": "service_account", "private_key": "very-private"}'),
        )
    assert "very-private" not in f"{caught.value} {caught.value.hint}"
    assert store.outcomes == []
