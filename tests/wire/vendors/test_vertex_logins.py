"""Signing in to Vertex AI and keeping it alive: keys of service accounts, gcloud's credentials, the machine itself."""

import asyncio
import json
import socket
import time

import msgspec
import pytest

from providers_app import errors, loop, provider
from providers_app.behaviours.credentials.google import (
    Authority,
    GCPCredentialProvider,
    Machine,
    Source,
    authorized_user,
    service_account,
)
from providers_app.dispatch import clients
from providers_app.providers.vertex_ai.oauth import BEHAVIOUR, authority
from providers_app.sign_in.checks import with_earlier_answers
from providers_app.types.credentials import Credential, Secret
from tests.vendors.auth import Fault
from tests.vendors.auth.clients import GEMINI_SCOPES
from tests.vendors.auth.gce import GceMetadata
from tests.vendors.script import expected_text
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.vertex_desk import CLAUDE, GEMINI, LOGINS, ROBOT, VertexDesk, act, desk, robot_file

__all__ = ["desk"]
EXPECTED = expected_text("Hello there.")
EACH = pytest.mark.parametrize("way", LOGINS)
OWNERS = {"service_account": ROBOT, "adc": "ada@example.com", "metadata": "machine@local.iam.gserviceaccount.com"}
PROJECTS = {"service_account": "local-project", "adc": "ada-project", "metadata": "local-project"}


def machine(desk: VertexDesk) -> GceMetadata:
    assert isinstance(desk.machine.vendor, GceMetadata)
    return desk.machine.vendor


@EACH
async def test_a_login_knows_its_account_project_and_location(desk: VertexDesk, way: str) -> None:
    tokens = await desk.sign_in(way)
    assert tokens.account_label == OWNERS[way] and tokens.facts["project"] == PROJECTS[way]
    assert "location" not in tokens.facts and tokens.expires_at is not None and tokens.expires_at > time.time()
    named = await desk.sign_in(way, project="other-1", location="europe-west4")
    assert (named.facts["project"], named.facts["location"]) == ("other-1", "europe-west4")
    flow = next(each for each in BEHAVIOUR.flows if each.name == way)
    assert with_earlier_answers(flow, {}, named) == {"project": "other-1", "location": "europe-west4"}
    assert with_earlier_answers(flow, {}, tokens) == {}, "another file may name another project"
    with desk.configured(project="ours-1"):
        assert (await desk.sign_in(way)).facts["project"] == "ours-1"


@EACH
@pytest.mark.parametrize(
    "given", [{"project": "../x"}, {"project": "a b"}, {"location": "evil.example/"}, {"location": "EU-West"}]
)
async def test_a_project_or_location_that_is_none_is_refused_before_anything_is_sent(
    desk: VertexDesk, way: str, given: dict[str, str]
) -> None:
    with pytest.raises(errors.InvalidRequest):
        await desk.sign_in(way, **given)
    assert len(desk.auth.ledger) == len(desk.machine.ledger) == 0


@EACH
async def test_a_login_is_tested_with_a_free_request(desk: VertexDesk, way: str) -> None:
    await desk.connect(way)
    account = await provider.test_session("vertex_ai", "oauth", "main")
    assert account.label == f"project {PROJECTS[way]}"
    assert [entry.path.rpartition(":")[2] for entry in desk.api.ledger] == ["countTokens"]
    with desk.configured(test_model="gemini-not-here"):
        await provider.test_session("vertex_ai", "oauth", "main")


@EACH
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_token_that_ended_is_made_anew_before_the_request(desk: VertexDesk, way: str, model: str) -> None:
    session = await desk.connect(way)
    desk.book.end_all_access()
    row = desk.sessions.refreshes.rows[session.id]
    ended = time.time() - 5
    row.tokens = msgspec.structs.replace(row.tokens, expires_at=ended)
    row.session = msgspec.structs.replace(row.session, expires_at=ended)
    before = row.tokens
    assert text_of(await desk.stream(model)) == EXPECTED
    assert [entry.status for entry in desk.api.ledger] == [200]
    after = desk.tokens_of(session)
    assert after.access != before.access and after.expires_at is not None and after.expires_at > time.time()
    kept = ("refresh", "material", "facts", "account_id", "account_label", "flow", "issuer")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


@EACH
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
async def test_a_refused_token_is_renewed_once(desk: VertexDesk, way: str, model: str) -> None:
    await desk.connect(way)
    desk.book.end_all_access()
    assert text_of(await desk.stream(model)) == EXPECTED
    assert [entry.status for entry in desk.api.ledger] == [401, 200]


@EACH
async def test_a_token_that_is_refused_again_is_the_end(desk: VertexDesk, way: str) -> None:
    await desk.connect(way)
    desk.book.access_ttl = 0
    desk.book.end_all_access()
    with pytest.raises((errors.AuthenticationFailed, errors.RefreshFailed)):
        await desk.stream(GEMINI)
    assert len(desk.api.ledger) <= 2


async def test_what_is_billed_is_said_for_people_only(desk: VertexDesk) -> None:
    for way in LOGINS:
        desk.api.ledger.clear()
        await desk.connect(way, name=way)
        await provider.complete_chat("vertex_ai", way, "Hello there.", model=GEMINI)
        billed = desk.api.ledger[-1].headers.get("x-goog-user-project")
        assert billed == ("ada-project" if way == "adc" else None)
        prepared = await provider.preview_request("vertex_ai", way, "Hello there.", model=GEMINI)
        assert any(advice.field == "x-goog-user-project" for advice in prepared.advice) == (way == "adc")


async def test_ending_a_login(desk: VertexDesk) -> None:
    person = await desk.sign_in("adc")
    assert await act(lambda http: BEHAVIOUR.revoke(person, http)) is True
    with pytest.raises(errors.TokenRefused):
        await desk.refresh(person)
    for way in ("service_account", "metadata"):
        tokens = await desk.sign_in(way)
        assert await act(lambda http, tokens=tokens: BEHAVIOUR.revoke(tokens, http)) is False  # type: ignore[misc]


async def test_a_key_that_was_deleted_is_refused_for_good(desk: VertexDesk) -> None:
    tokens = await desk.sign_in("service_account")
    del desk.book.service_accounts[ROBOT]
    with pytest.raises(errors.TokenRefused, match="was deleted"):
        await desk.refresh(tokens)


@pytest.mark.parametrize(
    ("way", "change"),
    [
        ("service_account", {"token_uri": "https://elsewhere.example/token"}),
        ("service_account", {"type": "external_account"}),
        ("service_account", {"universe_domain": "elsewhere.example"}),
        ("adc", {"type": "external_account", "credential_source": {"url": "http://169.254.169.254/"}}),
        ("adc", {"type": "impersonated_service_account"}),
        ("adc", {"refresh_token": None}),
    ],
)
async def test_files_that_lead_elsewhere_are_refused(desk: VertexDesk, way: str, change: dict[str, object]) -> None:
    field = "service_account" if way == "service_account" else "credentials"
    file = json.loads(desk.material(way)[field]) | change
    with pytest.raises(errors.InvalidCredential) as caught:
        await desk.sign_in(way, **{field: json.dumps(file)})
    assert "elsewhere" not in caught.value.message and len(desk.auth.ledger) == 0


@pytest.mark.parametrize("text", ["", "AQ.a-key", "[1]", "{}", "[" * 100_000])
async def test_what_is_no_file_is_refused(desk: VertexDesk, text: str) -> None:
    for way, field in (("service_account", "service_account"), ("adc", "credentials")):
        with pytest.raises(errors.InvalidCredential):
            await desk.sign_in(way, **{field: text})


async def test_credentials_without_any_project(desk: VertexDesk) -> None:
    with pytest.raises(errors.InvalidRequest, match="No project"):
        await desk.sign_in("adc", credentials=json.dumps(desk.adc_file(quota_project_id=None)))
    machine(desk).project = ""
    with pytest.raises(errors.InvalidRequest, match="No project"):
        await desk.sign_in("metadata")


# The machine


async def test_the_metadata_server_is_asked_as_it_demands(desk: VertexDesk) -> None:
    await desk.sign_in("metadata")
    assert {entry.headers["metadata-flavor"] for entry in desk.machine.ledger} == {"Google"}
    assert {entry.status for entry in desk.machine.ledger} == {200}


async def test_without_a_metadata_server_it_says_so_at_once(desk: VertexDesk) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = "http://{}:{}".format(*closed.getsockname())
        oauth = desk.config().oauth.model_copy(update={"metadata_url": nowhere})
        with (
            desk.configured(oauth=oauth),
            pytest.raises(errors.ConnectionFailed, match="no metadata service") as caught,
        ):
            await desk.sign_in("metadata")
    assert "machine of that cloud" in caught.value.hint


async def test_a_stranger_on_that_address_is_not_believed(desk: VertexDesk) -> None:
    tokens = await desk.sign_in("metadata")
    machine(desk).foreign = True
    with pytest.raises(errors.BadAnswer, match="not Google's metadata server"):
        await desk.refresh(tokens)


async def test_a_machine_without_an_identity(desk: VertexDesk) -> None:
    machine(desk).account = ""
    with pytest.raises(errors.LoginError, match="no service account"):
        await desk.sign_in("metadata")


async def test_a_machine_that_was_started_without_the_scope(desk: VertexDesk) -> None:
    machine(desk).scopes = GEMINI_SCOPES[1:]
    await desk.connect("metadata")
    with pytest.raises(errors.PermissionDenied) as caught:
        await desk.stream(GEMINI)
    assert "scope cloud-platform" in caught.value.hint


async def test_a_metadata_server_that_is_busy_passes(desk: VertexDesk) -> None:
    tokens = await desk.sign_in("metadata")
    machine(desk).status = 503
    with pytest.raises(errors.Overloaded):
        await desk.refresh(tokens)
    machine(desk).status = 0
    assert await desk.refresh(tokens)


async def test_a_machine_that_became_somebody_else_needs_a_person(desk: VertexDesk) -> None:
    tokens = await desk.sign_in("metadata")
    machine(desk).account = "other@local.iam.gserviceaccount.com"
    with pytest.raises(errors.TokenRefused, match="another service account"):
        await desk.refresh(tokens)


async def test_turning_the_flow_off_ends_what_it_lends(desk: VertexDesk) -> None:
    tokens = await desk.sign_in("metadata")
    desk.machine.ledger.clear()
    with desk.configured(enabled_flows=()):
        for call in (desk.sign_in("metadata"), desk.refresh(tokens)):
            with pytest.raises(errors.FlowDisabled, match="off here"):
                await call
    assert len(desk.machine.ledger) == 0


async def test_a_token_never_goes_to_an_address_of_the_session(desk: VertexDesk) -> None:
    tokens = await desk.sign_in("metadata")
    elsewhere = Credential(
        auth_type="oauth", secret=tokens.access, settings=tokens.facts, base_url=f"{desk.auth.origin}/trap"
    )
    await desk.sessions.create(desk.sessions.owner, "vertex_ai", "oauth", "main", elsewhere)
    assert text_of(await desk.stream(GEMINI)) == EXPECTED
    assert not [entry for entry in desk.auth.ledger if "trap" in entry.path]


# For whoever makes requests without a session


def sources(desk: VertexDesk) -> list[Source]:
    robot = json.dumps(robot_file(desk.book))
    return [
        service_account.read(Secret(robot), authority()),
        authorized_user.read(desk.adc_file()),
        Machine(server=desk.machine.origin),
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_one_token_for_all_who_ask_at_once(desk: VertexDesk, number: int) -> None:
    given = GCPCredentialProvider(sources(desk)[number], authority())

    async def asked() -> tuple[list[Credential], Credential, Credential]:
        http = clients.http()
        found = await asyncio.gather(*(given.credential(http) for _ in range(8)))
        kept = await given.credential(http)
        desk.book.end_all_access()
        refused = errors.AuthenticationFailed("refused")
        return found, kept, await given.renewed(kept, refused, http)

    found, kept, renewed = await loop.hand_over(asked())
    assert {credential.secret for credential in found} == {kept.secret}
    assert renewed.secret != kept.secret and renewed.auth_type == "oauth"
    asked_for = desk.machine.ledger.of("/token") if number == 2 else desk.auth.ledger.of("/token")
    assert len(asked_for) == 2


async def test_a_failure_is_told_to_all_and_kept_for_none(desk: VertexDesk) -> None:
    given = GCPCredentialProvider(sources(desk)[1], Authority(token_url=f"{desk.auth.origin}/token"))
    desk.book.faults.append(Fault("status", "before", status=503))

    async def asked() -> list[Credential | BaseException]:
        http = clients.http()
        return await asyncio.gather(*(given.credential(http) for _ in range(3)), return_exceptions=True)

    assert all(isinstance(error, errors.Overloaded) for error in await loop.hand_over(asked()))
    assert all(isinstance(found, Credential) for found in await loop.hand_over(asked()))
