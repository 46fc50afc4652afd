"""``manage.py e2e``: passes with every provider, auth type and sign-in, and says honestly what does not hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from providers_app.provider import list_providers
from providers_app.sign_in import flow as login_flow
from sessions_app.models import AuthSession, OAuthAttempt
from tests.unit.sessions.support import settle
from tests.wire.cross import ROWS
from tests.wire.e2e_desk import Shell

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = [
    *("authentication", "models", "streaming", "validation", "interruption"),
    *("unknown model", "wrong login", "broken stream", "cut and continued", "429, then answered"),
    *("refresh", "clean-up"),
]
ALL = {row.id: row for row in ROWS}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setattr(login_flow, "POLL_EVERY_S", 0.05)
    yield Shell(User.objects.create_user("ada"), monkeypatch)
    settle()


def report(out: str) -> dict[str, Any]:
    (line,) = out.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert [step["name"] for step in found["steps"]] == STEPS
    return found


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["outcome"] for step in found["steps"]}


def test_every_provider_and_auth_type_has_a_row() -> None:
    declared = {(card.slug, kind) for card in list_providers() for kind in card.auth_types}
    rows = {(row.provider, row.auth_type) for row in ROWS if not row.further}
    assert rows == declared


@pytest.mark.parametrize("name", ALL)
def test_it_passes(name: str, shell: Shell, request: pytest.FixtureRequest) -> None:
    row = ALL[name]
    sides = row.sides(request)
    broken = f"{row.model}-truncate" if row.faults else "demo-instant-truncated"
    # The second answer is the one that is left in its middle, which it has only while its end is kept back.
    model = f"{row.model}-held-2" if row.faults else row.model
    limited = ("--limited-model", f"{row.model}-times-1-status-429-retry-after-ms-20") if row.faults else ()
    code, out, err = shell.e2e(row, sides, "--json", "--model", model, "--broken-model", broken, *limited)
    found = report(out)
    assert code == 0 and found["passed"], out + err
    held = outcomes(found)
    apart = ("wrong login", "refresh", "cut and continued", "429, then answered")
    assert {held[step] for step in STEPS if step not in apart} == {"pass"}
    # A ChatGPT login takes no output limit, so nothing cuts the answer.
    unlimited = row.flow in ("chatgpt", "codex", "device") and not row.account
    assert held["cut and continued"] == ("skip" if unlimited else "pass")
    assert held["429, then answered"] == ("pass" if row.faults else "skip")
    assert held["wrong login"] == ("skip" if row.auth_type == "none" else "pass")
    # Two flows end with a key, and right after the third a refresh is too early.
    refreshed = row.auth_type == "oauth" and row.flow not in ("console_key", "openrouter", "chatgpt")
    assert held["refresh"] == ("pass" if refreshed else "skip")
    assert all(step["message"].endswith(".") for step in found["steps"])
    assert found["usage"]["input"] > 0 and found["usage"]["output"] > 0
    assert not AuthSession.objects.exists()
    assert not OAuthAttempt.objects.exclude(status__in=("done", "failed", "cancelled")).exists()
    if sides.api is not None:
        left = [entry for entry in sides.ledger if entry.disconnected_at]
        assert len(left) == 1 and left[0].sent_frames > 0, "the interrupted stream, and no other, was left by us"
        assert all(entry.finished_at or entry.disconnected_at for entry in sides.ledger if entry.status == 200)
    if row.account == "enterprise":  # asked with the key that its login was exchanged for, at its own expense
        asked = [entry.headers for entry in sides.ledger if entry.status == 200]
        assert {headers.get("openai-organization") for headers in asked} == {"org-1"}
        assert not any("chatgpt-account-id" in headers for headers in asked)
    if row.key:
        assert row.key not in out + err
