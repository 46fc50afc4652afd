"""Azure OpenAI with an application of Entra: strict authorization server, strict resource, the real stores."""

import time
from datetime import timedelta

import pytest

from providers_app import errors, loop, provider
from providers_app.sign_in import flow as login_flow
from sessions_app.models import AuthSession, OAuthAttempt
from sessions_app.services import options
from tests.vendors.auth import Fault
from tests.vendors.auth.entra import add_certificate
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.azure_desk import EntraDesk, configured, desk
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.signing_in import secrets_in, settings

__all__ = ["desk"]
pytestmark = pytest.mark.django_db(transaction=True)
EXPECTED = expected_text("Hello there.")


def test_an_application_signs_in_and_is_answered(desk: EntraDesk) -> None:
    application = desk.connect()
    (asked,) = desk.auth.ledger
    assert asked.path == f"/{application.tenant}/oauth2/v2.0/token"
    assert b"scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default" in asked.body
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    entry = desk.resource.ledger[-1]
    assert entry.headers["authorization"].startswith("Bearer ey")
    assert "api-key" not in entry.headers
    row, tokens = desk.row(), desk.tokens()
    assert (row.base_url, row.account_label) == (desk.resource.base_url, f"application {application.client_id}")
    assert row.settings == {"tenant": application.tenant, "client_id": application.client_id}
    assert (tokens.base_url, tokens.refresh.reveal()) == (desk.resource.base_url, "")
    assert row.next_refresh_at is not None and row.expires_at is not None
    assert timedelta(0) < row.expires_at - row.next_refresh_at <= timedelta(minutes=5)
    assert not secrets_in(tokens, application.secret) and not secrets_in(row.settings, application.secret)
    loop.run(provider.test_session("azure_openai", "oauth", "work", owner=desk.person.pk), 60)
    assert loop.run(provider.list_models("azure_openai", "oauth", "work", owner=desk.person.pk), 60)


def test_a_copied_target_is_the_endpoint_without_its_query(desk: EntraDesk) -> None:
    path = "/openai/deployments/chat-prod/chat/completions"
    desk.connect(base_url=f"{desk.resource.base_url}{path}?api-version=2025-01-01-preview")
    assert desk.row().base_url == desk.resource.base_url + path
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    assert desk.resource.ledger[-1].path == path
    assert desk.resource.ledger[-1].query == {"api-version": "2025-01-01-preview"}
    desk.refresh()
    options.change(desk.row(), {"api_version": "2024-06-01"})
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    assert desk.resource.ledger[-1].query == {"api-version": "2024-06-01"}, "an option is stronger"
    options.change(desk.row(), {"surface": "v1", "api": "responses"})
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    assert desk.resource.ledger[-1].path == "/openai/v1/responses"


ADDRESSES = {
    "http://169.254.169.254/metadata": errors.AddressRefused,
    "http://10.0.0.7/": errors.AddressRefused,
    "https://user:pw@r.openai.azure.com": errors.InvalidRequest,
    "ftp://r.openai.azure.com": errors.InvalidRequest,
    "r.openai.azure.com": errors.InvalidRequest,
    "https://r.openai.azure.com/#x": errors.InvalidRequest,
    "": errors.InvalidRequest,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_endpoint_that_is_no_public_address_is_refused_before_anything_is_sent(
    desk: EntraDesk, address: str
) -> None:
    with pytest.raises(ADDRESSES.get(address, errors.InvalidRequest)):
        desk.connect(base_url=address)
    assert not len(desk.auth.ledger) and not AuthSession.objects.exists()


def test_an_address_cannot_be_smuggled_in_beside_the_endpoint(desk: EntraDesk) -> None:
    application = desk.entra.register()
    for name in ("base_url_source", "endpoint", "authority", "scope", "token_url"):
        with pytest.raises(errors.InvalidRequest, match="no field"):
            desk.begin("entra_client", given=desk.given(application) | {name: "https://evil.example"})
    desk.connect(application=application)
    row = desk.row()
    AuthSession.objects.filter(pk=row.pk).update(
        settings=row.settings | {"base_url": "http://evil.example", "endpoint": "http://evil.example"}
    )
    assert text_of(desk.stream("chat-prod")) == EXPECTED, "options are no address"
    AuthSession.objects.filter(pk=row.pk).update(base_url="https://evil.example")
    desk.refresh()
    assert desk.row().base_url == desk.resource.base_url, "what is sealed decides"


def test_a_token_that_ended_is_minted_anew_once_for_all_callers(desk: EntraDesk) -> None:
    desk.connect()
    before = desk.tokens()
    desk.end()
    assert desk.ask_many(12) == [EXPECTED] * 12
    assert desk.made() == 2
    after = desk.tokens()
    assert after.access != before.access
    assert (after.base_url, after.material, after.account_id) == (before.base_url, before.material, before.account_id)


def test_a_refused_token_is_renewed_once_and_the_request_sent_again(desk: EntraDesk) -> None:
    desk.connect()
    desk.book.end_all_access()
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    statuses = [entry.status for entry in desk.resource.ledger.of("/chat/completions")]
    assert statuses == [401, 200]
    assert desk.made() == 2


def test_many_that_are_refused_at_once_renew_once(desk: EntraDesk) -> None:
    desk.connect()
    desk.book.end_all_access()
    assert desk.ask_many(10) == [EXPECTED] * 10
    assert desk.made() == 2


def test_an_identity_without_the_role_is_told_which_one_and_is_not_renewed(desk: EntraDesk) -> None:
    desk.connect(application=desk.entra.register(role=False))
    with pytest.raises(errors.PermissionDenied) as caught:
        desk.stream("chat-prod")
    assert "Cognitive Services OpenAI User" in caught.value.hint
    assert caught.value.upstream_code == "PermissionDenied"
    assert desk.made() == 1
    assert desk.status() == "forbidden"


REFUSED = {
    "wrong secret": ("AADSTS7000215", "secret's ID was copied"),
    "expired secret": ("AADSTS7000222", "Make a new one"),
    "unknown application": ("AADSTS700016", "application (client) ID"),
    "unknown tenant": ("AADSTS90002", "directory (tenant) ID"),
    "disabled": ("AADSTS7000112", "administrator"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_is_known_by_its_code_and_says_what_to_do(desk: EntraDesk, what: str) -> None:
    application = desk.entra.register()
    old = "Old8Q~" + "s" * 34
    application.expired.add(old)
    application.disabled = what == "disabled"
    nobody = "00000000-0000-0000-0000-00000000dead"
    changed = {
        "wrong secret": {"client_secret": "Bad8Q~" + "w" * 34},
        "expired secret": {"client_secret": old},
        "unknown application": {"client_id": nobody},
        "unknown tenant": {"tenant": nobody},
    }
    with pytest.raises(errors.TokenRefused) as caught:
        desk.connect(application=application, **changed.get(what, {}))
    code, hint = REFUSED[what]
    assert caught.value.upstream_code == code
    assert hint in caught.value.hint and code in caught.value.message
    assert not secrets_in(caught.value, application.secret, old, "Bad8Q~" + "w" * 34)
    assert not AuthSession.objects.exists()
    attempt = OAuthAttempt.objects.get()
    assert attempt.status == "failed" and code in attempt.error and not attempt.pending_key_id


def test_a_secret_that_is_taken_back_needs_a_person_who_gives_another(desk: EntraDesk) -> None:
    application = desk.connect()
    application.secret = "New8Q~" + "n" * 34
    report = desk.report()
    assert (report.done, report.code) == ("needs_person", "token_refused")
    assert "AADSTS7000215" in report.why
    assert desk.status() == "needs_reauth"
    loop.run(
        login_flow.begin_login(
            "azure_openai",
            session="work",
            given={"client_secret": application.secret},
            browser=desk.browser,
            owner=desk.person.pk,
        ),
        20,
    )
    assert desk.row().status == "active", "the endpoint, the tenant and the client ID are remembered"
    assert text_of(desk.stream("chat-prod")) == EXPECTED


def test_another_endpoint_needs_the_secret_again(desk: EntraDesk) -> None:
    desk.connect()
    with pytest.raises(errors.InvalidCredential):
        loop.run(
            login_flow.begin_login(
                "azure_openai",
                session="work",
                given={"base_url": "https://elsewhere.example"},
                browser=desk.browser,
                owner=desk.person.pk,
            ),
            20,
        )
    assert desk.row().base_url == desk.resource.base_url


def test_a_certificate_instead_of_a_secret(desk: EntraDesk) -> None:
    application = desk.entra.register()
    pem = add_certificate(application)
    desk.connect(application=application, client_secret="", certificate=pem)
    assert text_of(desk.stream("chat-prod")) == EXPECTED
    assert b"client_secret" not in desk.auth.ledger[-1].body
    desk.refresh()
    assert desk.made() == 2
    application.certificates.clear()
    AuthSession.objects.update(refreshed_at=None)  # one that was refreshed a moment ago is left alone
    report = desk.report()
    assert report.done == "needs_person" and "AADSTS700027" in report.why


def test_a_clock_that_is_wrong_is_not_the_end_of_a_certificates_login(desk: EntraDesk) -> None:
    application = desk.entra.register()
    pem = add_certificate(application)
    desk.connect(application=application, client_secret="", certificate=pem)
    desk.book.clock_offset = 7200
    report = desk.report()
    assert (report.done, report.code) == ("failed", "upstream_authentication")
    desk.book.clock_offset = 0
    assert desk.row().status == "active"


WAYS = [
    (Fault("status", "before", status=503), "upstream_overloaded"),
    (Fault("html", "before", status=502), "upstream_server_error"),
    (Fault("html", "before"), "upstream_bad_answer"),
    (Fault("garbage", "after"), "upstream_bad_answer"),
    (Fault("reset", "before"), "connection_failed"),
]


@pytest.mark.parametrize(("fault", "code"), WAYS, ids=lambda value: getattr(value, "kind", ""))
def test_an_endpoint_that_fails_costs_nothing(desk: EntraDesk, fault: Fault, code: str) -> None:
    desk.connect()
    desk.book.faults.append(fault)
    report = desk.report()
    assert (report.done, report.code) == ("failed", code), report.why
    assert desk.row().status == "active"
    assert desk.refresh().access


def test_a_rate_limit_is_waited_for_as_long_as_entra_says(desk: EntraDesk) -> None:
    desk.connect()
    desk.book.rate_limit(1, 90)
    report = desk.report()
    assert (report.done, report.code) == ("failed", "upstream_rate_limit")
    assert report.next_try_at is not None and report.next_try_at >= time.time() + 80


def test_a_repeated_secret_is_never_shown(desk: EntraDesk) -> None:
    application = desk.entra.register()
    for kind in ("echo", "echo-html"):
        desk.book.faults.append(Fault(kind, "before"))  # type: ignore[arg-type]
        with pytest.raises(errors.ProviderError) as caught:
            desk.connect(application=application)
        assert not secrets_in(caught.value, application.secret)
        assert application.secret not in str(OAuthAttempt.objects.values_list("error", "error_hint"))


def test_the_scope_is_the_operators(desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer) -> None:
    own = configured(entra_auth, imds_server, entra={"scope": "https://ai.azure.com/.default"})
    with settings("azure_openai", **own):
        desk.connect()
        assert b"ai.azure.com" in desk.auth.ledger[-1].body
        assert text_of(desk.stream("chat-prod")) == EXPECTED
    wrong = configured(entra_auth, imds_server, entra={"scope": "https://cognitiveservices.azure.com/read"})
    with settings("azure_openai", **wrong), pytest.raises(errors.BadRequest) as caught:
        desk.connect("other")
    assert caught.value.upstream_code == "AADSTS1002012" and "settings" in caught.value.hint


def test_the_operators_endpoint_need_not_be_given(
    desk: EntraDesk, entra_auth: VendorServer, imds_server: VendorServer, azure_server: VendorServer
) -> None:
    with settings("azure_openai", **configured(entra_auth, imds_server, base_url=azure_server.base_url)):
        desk.connect(base_url="")
        assert desk.row().base_url == ""
        assert text_of(desk.stream("chat-prod")) == EXPECTED


def test_the_session_cannot_be_revoked_at_entra(desk: EntraDesk) -> None:
    desk.connect()
    assert loop.run(provider.revoke_session("azure_openai", "work", owner=desk.person.pk), 60) is False
