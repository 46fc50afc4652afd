"""Keeping logins of Anthropic alive: refresh, a key out of a login, federation, a profile of the CLI."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from providers_app import errors, loop, provider
from providers_app.providers.anthropic import imports
from providers_app.sign_in import flow as login_flow
from providers_app.types.events import StreamStart
from sessions_app.models import AuthSession, OAuthAttempt
from tests.servers import free_port
from tests.vendors.auth import workloads
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.anthropic_desk import configured, desk
from tests.wire.vendors.connected import text_of
from tests.wire.vendors.signing_in import Desk, secrets_in, settings

__all__ = ["desk"]
pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "claude-opus-5"
EXPECTED = expected_text("Hello there.")
CLIENT = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
BETA = "oauth-2025-04-20"


# Refresh


def test_a_refresh_rotates_and_keeps_the_account(desk: Desk, anthropic_auth: VendorServer) -> None:
    desk.sign_in("claude")
    before = desk.tokens()
    desk.refresh()
    after = desk.tokens()
    assert after.refresh != before.refresh and after.access != before.access
    assert (after.account_id, after.facts, after.client) == (before.account_id, before.facts, before.client)
    entry = anthropic_auth.ledger.of("/v1/oauth/token")[-1]
    assert set(entry.body) == {"grant_type", "refresh_token", "client_id"} and entry.body["client_id"] == CLIENT
    assert entry.headers["user-agent"].startswith("Maestro/")
    assert text_of(desk.stream(MODEL)) == EXPECTED
    assert desk.book.summary()["accepted"] == 1 and not desk.book.summary()["burned"]


def test_an_access_token_that_ended_early_is_refreshed_once_within_the_request(desk: Desk) -> None:
    desk.sign_in("claude")
    desk.book.end_access(desk.tokens().access.reveal())
    assert text_of(desk.stream(MODEL)) == EXPECTED
    summary = desk.book.summary()
    assert (summary["presentations"], summary["accepted"]) == (1, 1)


def test_a_token_that_another_program_spent_needs_a_person(desk: Desk, anthropic_auth: VendorServer) -> None:
    desk.sign_in("claude")
    desk.book.spend_refresh(desk.tokens().refresh.reveal(), CLIENT)
    report = desk.report()
    assert report.done == "needs_person"
    assert desk.row().status == "needs_reauth"
    with pytest.raises(errors.NeedsReauth):
        desk.refresh()
    assert len(anthropic_auth.ledger.of("/v1/oauth/token")) == 2  # the exchange and one refresh


def test_a_login_that_was_revoked_is_told_apart_from_one_that_may_not(desk: Desk) -> None:
    desk.sign_in("claude")
    desk.book.revoke(desk.tokens().refresh.reveal())
    with pytest.raises((errors.AuthenticationFailed, errors.NeedsReauth)):
        desk.stream(MODEL)
    assert desk.status() == "needs_reauth"


def test_a_rate_limit_of_the_token_endpoint_spends_nothing(desk: Desk) -> None:
    desk.sign_in("claude")
    before = desk.tokens()
    desk.book.rate_limit(1, 40)
    report = desk.report()
    assert report.done == "failed" and report.code == "upstream_rate_limit"
    assert report.next_try_at is not None and report.next_try_at - time.time() > 35
    assert desk.tokens() == before and desk.row().status == "active"


def test_there_is_no_way_to_end_a_login_at_anthropic(desk: Desk) -> None:
    desk.sign_in("claude")
    assert loop.run(login_flow.revoke_session("anthropic", "work", owner=desk.person.pk), 60) is False
    assert text_of(desk.stream(MODEL)) == EXPECTED


# A key out of a login


def test_a_login_of_the_console_becomes_a_key_and_nothing_else_is_kept(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    desk.sign_in("console_key")
    tokens = desk.tokens()
    assert tokens.api_key.reveal().startswith("sk-ant-api03-")
    assert not tokens.access and not tokens.refresh and tokens.expires_at is None
    assert desk.row().next_refresh_at is None
    entry = anthropic_auth.ledger.of("/api/oauth/claude_cli/create_api_key")[-1]
    assert entry.method == "POST" and entry.headers["authorization"].startswith("Bearer sk-ant-oat01-")
    events = desk.stream(MODEL)
    assert text_of(events) == EXPECTED
    sent = anthropic_server.ledger[-1].headers
    assert sent["x-api-key"] == tokens.api_key.reveal()
    assert "authorization" not in sent and "anthropic-beta" not in sent
    assert isinstance(events[0], StreamStart) and events[0].advice == ()
    assert len(loop.run(provider.list_models("anthropic", "oauth", "work", owner=desk.person.pk), 60)) == 45
    with pytest.raises(errors.NotRefreshable):
        desk.refresh()


def test_a_key_endpoint_that_is_away_costs_no_sign_in(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    given = configured(anthropic_auth, anthropic_server)
    away = given | {"oauth": given["oauth"] | {"create_key_url": f"http://127.0.0.1:{free_port()}/key"}}
    with settings("anthropic", **away):
        pending = desk.begin("console_key")
        answer = desk.book.approve(pending.url)
        with pytest.raises(errors.ConnectionFailed):
            desk.complete(pending, answer)
        assert (OAuthAttempt.objects.get().status, OAuthAttempt.objects.get().step) == ("confirm", "finish")
        with pytest.raises(errors.LoginUsed):
            desk.complete(pending, answer)
    loop.run(login_flow.confirm_login(pending.id, browser=desk.browser, owner=desk.person.pk), 60)
    tokens = desk.tokens()
    assert tokens.api_key.reveal().startswith("sk-ant-api03-") and not tokens.access and not tokens.refresh
    assert len([spend for spend in desk.book.ledger if spend.kind == "code"]) == 1
    done = OAuthAttempt.objects.get()
    assert done.status == "done" and not done.sealed_tokens and not done.sealed_pending


def test_without_the_scope_there_is_no_key(desk: Desk, anthropic_auth: VendorServer) -> None:
    desk.book.add_account("acct-member", "member@example.com", scopes_withheld=["org:create_api_key"])
    pending = desk.begin("console_key")
    with pytest.raises(errors.MissingScope, match="org:create_api_key"):
        desk.complete(pending, desk.book.approve(pending.url, account="acct-member"))
    assert not anthropic_auth.ledger.of("/api/oauth/claude_cli/create_api_key")
    assert not AuthSession.objects.exists()


# Workload identity federation


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "identity-token"


@pytest.fixture
def workload(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer, token_file: Path
) -> Iterator[Desk]:
    """The operator set federation up; no restricted flow is on."""
    rule = workloads.add_rule(desk.book, "fdrl_1", "org-1")
    token_file.write_text(workloads.workload_token(desk.book, rule) + "\n")
    federation = {
        "token_file": str(token_file),
        "federation_rule_id": "fdrl_1",
        "organization_id": "org-1",
        "token_url": f"{anthropic_auth.origin}/v1/oauth/token",
    }
    given = configured(anthropic_auth, anthropic_server, federation=federation, enabled_flows=())
    with settings("anthropic", **given):
        yield desk


def test_a_workload_signs_in_without_a_browser_and_mints_anew(
    workload: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    pending = workload.begin("federation")
    assert (pending.method, pending.url) == ("direct", "")
    entry = anthropic_auth.ledger.of("/v1/oauth/token")[-1]
    assert entry.headers["anthropic-beta"] == f"{BETA},oidc-federation-2026-04-01"
    assert set(entry.body) == {"grant_type", "assertion", "federation_rule_id", "organization_id"}
    assert text_of(workload.stream(MODEL)) == EXPECTED
    assert anthropic_server.ledger[-1].headers["anthropic-beta"] == BETA
    before = workload.tokens()
    assert before.account_id == "org-1" and not before.refresh
    assert workload.row().next_refresh_at is not None
    workload.refresh()
    assert workload.tokens().access != before.access
    workload.book.end_all_access()
    assert text_of(workload.stream(MODEL)) == EXPECTED
    assert not secrets_in(workload.tokens(), entry.body["assertion"])


def test_a_new_identity_token_is_read_for_each_access_token(workload: Desk, token_file: Path) -> None:
    workload.begin("federation")
    rule = workload.book.rules["fdrl_1"]
    token_file.write_text(workloads.workload_token(workload.book, rule, ttl=-10))
    report = workload.report()
    assert report.done == "failed" and "identity token" in report.why
    assert workload.row().status == "active", "the next identity token may be taken"
    token_file.write_text(workloads.workload_token(workload.book, rule))
    assert text_of(workload.stream(MODEL)) == EXPECTED


def test_without_an_identity_token_nothing_is_sent(
    workload: Desk, token_file: Path, anthropic_auth: VendorServer
) -> None:
    token_file.unlink()
    with pytest.raises(errors.LoginError) as caught:
        workload.begin("federation")
    assert "FEDERATION__TOKEN_FILE" in caught.value.hint
    assert not anthropic_auth.ledger.of("/v1/oauth/token") and not AuthSession.objects.exists()


def test_a_foreign_rule_is_refused_with_what_to_check(
    workload: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer, token_file: Path
) -> None:
    workload.begin("federation")
    rule = workload.book.rules["fdrl_1"]
    token_file.write_text(workloads.workload_token(workload.book, rule, sub="repo:somebody/else"))
    with pytest.raises(errors.BadRequest) as caught:
        workload.begin("federation", "other")
    assert "federation rule" in caught.value.hint
    federation = {"token_file": str(token_file), "federation_rule_id": "fdrl_2", "organization_id": "org-1"}
    with settings("anthropic", **configured(anthropic_auth, anthropic_server, federation=federation)):
        report = workload.report()
    assert report.done == "needs_person" and "not the one of this login" in report.why


def test_federation_says_what_it_needs_while_it_is_not_set_up(desk: Desk) -> None:
    offered = {each.flow.name: each for each in loop.run(login_flow.offered_flows("anthropic"), 5)}
    found = offered["federation"]
    assert found.methods == () and "FEDERATION__TOKEN_FILE" in found.flow.description
    with pytest.raises(errors.InvalidRequest) as caught:
        desk.begin("federation")
    assert "FEDERATION__TOKEN_FILE" in caught.value.hint


# A profile of the Anthropic CLI


def imported(desk: Desk, server: VendorServer, **credentials: Any) -> None:
    """A profile's files as the CLI leaves them, read and stored."""
    made = desk.book.issue("acct-ada", "console-cli", ("user:inference",), ttl=3600)
    config = {
        "version": "1.0",
        "organization_id": "org-1",
        "base_url": server.base_url,
        "authentication": {"type": "user_oauth", "client_id": "console-cli"},
    }
    found = {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": made.access,
        "refresh_token": made.refresh,
        "expires_at": int(made.expires_at),
    }
    desk.keep(imports.read_profile(json.loads(json.dumps(config)), found | credentials))


def test_a_profile_is_used_and_refreshed_where_it_was_made(
    desk: Desk, anthropic_auth: VendorServer, anthropic_server: VendorServer
) -> None:
    with settings("anthropic", **configured(anthropic_auth, anthropic_server, enabled_flows=())):
        imported(desk, anthropic_server)
        assert text_of(desk.stream(MODEL)) == EXPECTED
    # The API's own host also refreshes; the local one has that at another port.
    with settings("anthropic", base_url=anthropic_auth.origin):
        stored = desk.tokens()
        desk.row().delete()
        desk.keep(msgspec.structs.replace(stored, facts={}))
        desk.refresh()
    entry = anthropic_auth.ledger.of("/v1/oauth/token")[-1]
    assert entry.headers["anthropic-beta"] == BETA
    assert entry.body == {
        "grant_type": "refresh_token",
        "refresh_token": stored.refresh.reveal(),
        "client_id": "console-cli",
    }
    assert desk.tokens().refresh != stored.refresh
    with settings("anthropic", base_url=anthropic_server.base_url):
        assert text_of(desk.stream(MODEL)) == EXPECTED


def test_a_profile_cannot_be_begun_in_a_browser(desk: Desk) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        desk.begin("profile")
    assert "Import" in caught.value.hint
    assert not OAuthAttempt.objects.exists()
