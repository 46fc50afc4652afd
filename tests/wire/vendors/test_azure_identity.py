"""Azure OpenAI with the machine's own identity: strict identity service in both forms, strict resource, real stores."""

from typing import Any

import pytest

from providers_app import errors, loop, provider
from providers_app.sign_in import flow as login_flow
from sessions_app.models import AuthSession
from tests.vendors.auth import Fault
from tests.vendors.auth.identity import APP_PATH
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.azure_desk import EntraDesk, configured, desk
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.signing_in import secrets_in, settings

__all__ = ["desk"]
pytestmark = pytest.mark.django_db(transaction=True)
EXPECTED = expected_text("Hello there.")


def connect(desk: EntraDesk, name: str = "work", **given: str) -> None:
    desk.begin("managed_identity", name, given={"base_url": desk.resource.base_url} | given)


def test_the_machine_signs_in_with_nothing_secret(desk: EntraDesk) -> None:
    connect(desk)
    (asked,) = desk.machine.ledger
    assert asked.headers["metadata"] == "true"
    assert asked.query == {"api-version": "2018-02-01", "resource": "https://cognitiveservices.azure.com/"}
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    assert desk.resource.ledger[-1].headers["authorization"].startswith("Bearer ey")
    row = desk.row()
    assert row.account_label == f"managed identity {desk.identity.machine}"
    assert row.settings == {"client_id": desk.identity.machine}
    assert row.base_url == desk.resource.base_url
    assert row.next_refresh_at is not None, "its texts of numbers were read"
    assert not desk.auth.ledger, "Entra itself is not asked"


def test_an_ended_token_is_minted_anew_once_for_all_callers(desk: EntraDesk) -> None:
    connect(desk)
    desk.end()
    assert desk.ask_many(8) == [EXPECTED] * 8
    assert desk.made("identity") == 2


def test_a_user_assigned_identity_is_the_operators_choice(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    chosen = desk.identity.add()
    with settings("azure_openai", **configured(entra_auth, imds_server, identity={"client_id": chosen})):
        connect(desk)
        assert desk.machine.ledger[-1].query["client_id"] == chosen
        assert desk.row().settings == {"client_id": chosen}
    report = desk.report()
    assert report.done == "needs_person" and "another identity" in report.why


def test_an_identity_that_the_machine_does_not_have_is_final(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    nobody = "00000000-0000-0000-0000-00000000dead"
    own = configured(entra_auth, imds_server, identity={"client_id": nobody})
    refused = pytest.raises(errors.TokenRefused, match="does not have the identity")
    with settings("azure_openai", **own), refused as caught:
        connect(desk)
    assert "Azure portal" in caught.value.hint
    assert len(desk.machine.ledger) == 1, "it is not asked again"
    desk.identity.machine = ""
    with pytest.raises(errors.TokenRefused, match="an identity of its own"):
        connect(desk)


def app(entra_auth: VendorServer, machine: VendorServer, header: str, **more: Any) -> dict[str, Any]:
    return configured(entra_auth, machine, identity={"url": machine.origin + APP_PATH, "header": header}, **more)


def test_an_app_asks_its_own_address_with_its_header(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    with settings("azure_openai", **app(entra_auth, imds_server, desk.identity.header)):
        connect(desk)
        asked = desk.machine.ledger[-1]
        assert (asked.path, asked.query["api-version"]) == (APP_PATH, "2019-08-01")
        assert asked.headers["x-identity-header"] == desk.identity.header
        assert "metadata" not in asked.headers
        assert text_of(desk.stream("chat-prod")) == EXPECTED
        assert desk.row().next_refresh_at is not None, "expires_on alone says when it ends"
    assert not secrets_in(desk.tokens(), desk.identity.header)


def test_a_wrong_header_is_named_without_being_shown(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    wrong = "wrong" * 8
    own = app(entra_auth, imds_server, wrong)
    with settings("azure_openai", **own), pytest.raises(errors.AuthenticationFailed) as caught:
        connect(desk)
    assert "header" in caught.value.hint and not secrets_in(caught.value, wrong)


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
def test_a_service_that_is_not_ready_is_asked_again_within_bounds(desk: EntraDesk, status: int) -> None:
    for _ in range(2):
        desk.book.faults.append(Fault("status", "before", status=status))
    connect(desk)
    assert len(desk.machine.ledger) == 3
    for _ in range(9):
        desk.book.faults.append(Fault("status", "before", status=status))
    report = desk.report()
    assert report.done == "failed", report.why
    assert len(desk.machine.ledger) == 7
    assert desk.row().status == "active"


@pytest.mark.parametrize("kind", ["html", "empty", "garbage", "reset"])
def test_a_service_that_answers_nonsense_is_a_typed_error(desk: EntraDesk, kind: Any) -> None:
    desk.book.faults.append(Fault(kind, "before"))
    with pytest.raises(errors.UpstreamError) as caught:
        connect(desk)
    assert caught.value.code in ("upstream_bad_answer", "connection_failed")


def test_without_a_metadata_service_it_ends_soon_and_says_so(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    nowhere = configured(entra_auth, imds_server, identity={"url": "http://127.0.0.1:9/metadata/identity"})
    with settings("azure_openai", **nowhere), pytest.raises(errors.ConnectionFailed) as caught:
        connect(desk)
    assert "no metadata service at 127.0.0.1:9" in caught.value.message
    assert "machine of that cloud" in caught.value.hint


def test_it_is_off_until_the_operator_names_it(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    connect(desk)
    asked = len(desk.machine.ledger)
    with settings("azure_openai", **configured(entra_auth, imds_server, enabled_flows=())):
        offers = {one.flow.name: one for one in loop.run(login_flow.offered_flows("azure_openai"), 5)}
        assert offers["entra_client"].enabled and not offers["managed_identity"].enabled
        assert "ENABLED_FLOWS=managed_identity" in offers["managed_identity"].why_not
        with pytest.raises(errors.FlowDisabled):
            connect(desk, "other")
    assert len(desk.machine.ledger) == asked


def test_turning_it_off_ends_the_use_of_a_stored_login_and_keeps_it(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    connect(desk)
    before, asked = desk.row(), (len(desk.machine.ledger), len(desk.resource.ledger))
    with settings("azure_openai", **configured(entra_auth, imds_server, enabled_flows=())):
        with pytest.raises(errors.FlowDisabled) as caught:
            desk.stream("chat-prod")
        assert "'work' is kept, but not used" in caught.value.message
        assert "MAESTRO_PROVIDERS__AZURE_OPENAI__ENABLED_FLOWS=managed_identity" in caught.value.hint
        with pytest.raises(errors.FlowDisabled):
            loop.run(provider.test_session("azure_openai", None, "work", owner=desk.person.pk), 60)
        report = desk.report()
        assert (report.done, report.code) == ("skipped", "flow_disabled"), "nor is it renewed"
        assert "ENABLED_FLOWS=managed_identity" in report.why
    assert (len(desk.machine.ledger), len(desk.resource.ledger)) == asked, "nobody was asked"
    row = desk.row()
    for name in ("status", "generation", "key_id", "refresh_attempts", "refresh_error_code", "intent_generation"):
        assert getattr(row, name) == getattr(before, name), name
    desk.end()
    assert text_of(desk.stream("chat-prod")) == EXPECTED, "on again, it works at once"


def test_the_machines_tokens_go_to_azure_only(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer
) -> None:
    shipped = configured(entra_auth, imds_server)
    del shipped["identity"]["hosts"]
    with settings("azure_openai", **shipped):
        for address in (
            desk.resource.base_url,
            "https://evil.example",
            "https://openai.azure.com.evil.example",
            "https://evilopenai.azure.com",
            "http://name.openai.azure.com",
        ):
            with pytest.raises(errors.AddressRefused, match=r"not sent|private"):
                connect(desk, base_url=address)
    assert not desk.machine.ledger and not AuthSession.objects.exists()
    connect(desk)
    with settings("azure_openai", **shipped):
        report = desk.report()
    assert (report.done, report.code) == ("failed", "address_refused"), "a narrower setting holds for stored logins"


def test_the_metadata_service_is_reached_by_its_own_client_only(desk: EntraDesk) -> None:
    """The address of a session may never be the service's, whatever the identity is allowed to ask."""
    with pytest.raises(errors.AddressRefused):
        connect(desk, base_url="http://169.254.169.254/metadata/identity/oauth2/token")
