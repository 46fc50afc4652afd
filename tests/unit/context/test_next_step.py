"""The one button beside an error: which one, where it leads, and when a retry can succeed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from context_app import next_step
from providers_app.errors import Step
from sessions_app.models import AuthSession

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


def session(auth_type: str) -> AuthSession:
    return AuthSession(pk=uuid4(), provider="demo", name="mine", auth_type=auth_type)


@pytest.mark.parametrize(
    ("code", "auth_type", "label", "place"),
    [
        ("upstream_authentication", "api_key", "Replace key", "#key"),
        ("upstream_authentication", "oauth", "Sign in again", ""),
        ("upstream_authentication", "none", "Open session", ""),
        ("needs_reauth", "oauth", "Sign in again", ""),
        ("upstream_not_found", "api_key", "Open session", ""),
        ("session_disabled", "api_key", "Open session", ""),
        ("unknown_model", "api_key", "Choose model", None),
        ("context_too_long", "api_key", "Open context panel", None),
        ("upstream_rate_limit", "api_key", "Retry now", None),
        ("upstream_server_error", "oauth", "Regenerate", None),
        ("connection_failed", "oauth", "Regenerate", None),
        ("a_code_of_nobody", "oauth", "Regenerate", None),
    ],
)
def test_each_error_has_its_button(code: str, auth_type: str, label: str, place: str | None) -> None:
    of = session(auth_type)
    step = next_step.next_step(next_step.step_of(code), of)
    assert step is not None
    url = "" if place is None else reverse("sessions:detail", args=[of.pk]) + place
    assert (step.label, step.url) == (label, url)


def test_an_error_that_nothing_here_mends_has_no_button() -> None:
    assert next_step.next_step(next_step.step_of("upstream_quota"), session("api_key")) is None


@pytest.mark.parametrize("kind", [Step.RENEW, Step.OPEN_SESSION])
def test_a_session_that_is_gone_is_to_be_chosen_anew(kind: Step) -> None:
    step = next_step.next_step(kind, None)
    assert step is not None and (step.kind, step.url) == (Step.CHOOSE_SESSION, "")


def test_only_a_retry_has_a_time() -> None:
    of = session("api_key")
    limited = next_step.next_step(Step.RETRY, of, failed_at=AT, retry_after=42.0)
    assert limited is not None and limited.at == AT + timedelta(seconds=42) and limited.repeats
    assert next_step.next_step(Step.RETRY, of, retry_after=42.0).at is None  # type: ignore[union-attr]
    refused = next_step.next_step(Step.RENEW, of, failed_at=AT, retry_after=42.0)
    assert refused is not None and refused.at is None and not refused.repeats
