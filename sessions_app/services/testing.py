"""Test a login at its provider, before it is stored or afterwards."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from providers_app import conf, loop
from providers_app import provider as door
from providers_app.errors import (
    AuthenticationFailed,
    NotConfigured,
    PermissionDenied,
    ProviderError,
    RateLimited,
    UpstreamTimeout,
)
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from sessions_app.credentials import open_credential, without_secret
from sessions_app.models import AuthSession, Pk
from sessions_app.services import outcomes
from sessions_app.throttle import allow

TESTS_PER_MINUTE = 30
MARGIN_S = 5.0
NO_KEY_HINT = "The server asks for a key. Check the address, or connect it anew with a key."
_REFUSALS = (AuthenticationFailed, PermissionDenied)


@dataclass(frozen=True, slots=True)
class TestResult:
    """``account`` when it works, else ``error``."""

    __test__ = False

    account: Account | None = None
    error: ProviderError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


def verify(provider: str, credential: Credential, *, owner_id: Pk) -> TestResult:
    """Make one cheap authenticated request with a login that need not be stored. Never raises a ``ProviderError``.

    Runs on the provider loop; the caller's thread waits, at most the look-up time-out.
    """
    work = door.try_credential(provider, credential, owner=owner_id)
    result = _run(work, owner_id, conf.current().lookup_timeout_s + MARGIN_S)
    if (error := result.error) is not None:
        error.message = without_secret(error.message, credential)
        error.args = (error.message,)
        if credential.auth_type == AuthSession.AuthType.NONE and isinstance(error, _REFUSALS):
            error.hint = NO_KEY_HINT
    return result


def test(session: AuthSession, *, owner_id: Pk) -> TestResult:
    """Test a stored session, read with its sealed column, and record the outcome. Never raises a ``ProviderError``.

    A disabled session may be tested; it stays disabled.
    """
    if session.auth_type == AuthSession.AuthType.OAUTH:
        # Its access token may be refreshed first, and the core records the outcome itself.
        seconds = conf.current().lookup_timeout_s + conf.current().refresh_timeout_s + MARGIN_S
        return _run(door.test_session(session.provider, None, str(session.pk), owner=owner_id), owner_id, seconds)
    try:
        credential = open_credential(session)
    except NotConfigured as error:
        return TestResult(error=error)
    result = verify(session.provider, credential, owner_id=owner_id)
    if isinstance(result.error, RateLimited) and result.error.status is None:
        # Our own ceiling says nothing about the session.
        return result
    outcomes.record(
        session.pk,
        result.error,
        tested=True,
        generation=session.generation,
        account=result.account.label if result.account else "",
    )
    return result


def _run(work: Coroutine[Any, Any, Account], owner_id: Pk, seconds: float) -> TestResult:
    """Run a test on the provider loop, while the caller waits, within the limit of tests per person."""
    if not allow("session-test", owner_id, limit=TESTS_PER_MINUTE, window_s=60):
        work.close()
        text = f"You tested {TESTS_PER_MINUTE} logins within a minute."
        return TestResult(error=RateLimited(text, hint="Wait a minute, then test again."))
    try:
        return TestResult(account=loop.run(work, seconds))
    except ProviderError as error:
        return TestResult(error=error)
    except TimeoutError:
        return TestResult(error=UpstreamTimeout("The provider did not answer in time."))
