"""The next step of a person about an error: decided by the error, rendered by pages as one button or link."""

from datetime import datetime, timedelta

import msgspec
from django.urls import reverse

from providers_app.errors import Step, class_of
from sessions_app.models import AuthSession

RETRYABLE = (Step.RETRY, Step.REGENERATE)


class NextStep(msgspec.Struct, frozen=True):
    """``url`` is set where the step is a link; ``at`` is when a retry can succeed, where the provider said so."""

    kind: Step
    label: str
    url: str = ""
    at: datetime | None = None

    @property
    def repeats(self) -> bool:
        """``True`` where the step is to ask for the same answer again."""
        return self.kind in RETRYABLE


def next_step(
    kind: Step, session: AuthSession | None, *, failed_at: datetime | None = None, retry_after: float | None = None
) -> NextStep | None:
    """Return the step as a button or a link for a request of ``session``; ``None`` where there is nothing to do.

    ``retry_after`` is in seconds from ``failed_at``. Without a session, one has to be chosen first.
    """
    if kind in (Step.RENEW, Step.OPEN_SESSION):
        if session is None:
            return NextStep(Step.CHOOSE_SESSION, Step.CHOOSE_SESSION.label)
        page, key = reverse("sessions:detail", args=[session.pk]), session.auth_type == AuthSession.AuthType.API_KEY
        if kind == Step.RENEW and key:
            return NextStep(kind, "Replace key", f"{page}#key")
        if kind == Step.RENEW and session.auth_type != AuthSession.AuthType.OAUTH:
            kind = Step.OPEN_SESSION
        return NextStep(kind, kind.label, page)
    at = failed_at + timedelta(seconds=retry_after) if failed_at and retry_after and kind in RETRYABLE else None
    return NextStep(kind, kind.label, at=at) if kind != Step.NONE else None


def step_of(code: str) -> Step:
    """Return the step of a stable code; that of a code which is not in the tree is to ask again."""
    found = class_of(code)
    return found.step if found is not None else Step.REGENERATE


def default_hint_of(code: str) -> str:
    """Return the hint that every error of this code has, which its step says as well."""
    found = class_of(code)
    return found.default_hint if found is not None else ""
