"""Sign-ins as the pages call them: synchronous, for a request, with every failure a typed error."""

import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from providers_app import conf, loop, ports
from providers_app import provider as door
from providers_app.behaviours.oauth import OAuthFlow, PendingLogin, answers
from providers_app.errors import LoginDenied, LoginError, ProviderError, UpstreamTimeout
from providers_app.registry.resolver import resolve
from providers_app.sign_in.checks import ADDRESS_FIELD, OfferedFlow
from providers_app.sign_in.exchange import EXCHANGE_S, pending_of
from providers_app.types.chat import ChatRequest, Message, TextPart
from providers_app.types.credentials import Credential
from providers_app.types.logins import LoginState
from sessions_app.models import AuthSession, Pk
from sessions_app.sign_in.browser_location import is_local, origin, this_browser

logger = logging.getLogger("maestro.logins")

T = TypeVar("T")
READ_S = 15.0  # reading a sign-in is one query; a page waits so many seconds for it at most
# An exchange ends itself before this; a page that waits shorter would not know what became of it.
ASKING_S = EXCHANGE_S + READ_S


def offers(request: HttpRequest, provider: str) -> list[OfferedFlow]:
    """Return the provider's flows, also those that are off. Raises as ``provider.offered_flows``."""
    return _ask(door.offered_flows(provider, origin=origin(request), local_browser=is_local(request)), READ_S)


def has_client(provider: str) -> bool:
    """Say whether the operator configured an OAuth client, so that a person may bring one but need not."""
    return bool(getattr(getattr(conf.provider(provider), "oauth", None), "client_id", ""))


def remembered(session: AuthSession, flow: OAuthFlow) -> dict[str, str]:
    """Return the answers to the flow's fields that a stored session knows: those it needs, and those chosen by hand."""
    facts = {**session.settings, ADDRESS_FIELD: session.base_url}
    fields = (field for field in flow.fields if not field.secret and facts.get(field.name))
    kept = (each for each in fields if each.required or facts.get(f"{each.name}_source") == "override")
    return {field.name: str(facts[field.name]) for field in kept}


def warnings(session: AuthSession) -> list[str]:
    """Return the warnings of the provider's package about the login itself, such as how its mode was found."""
    credential = Credential(auth_type="oauth", settings={name: str(value) for name, value in session.settings.items()})
    probe = ChatRequest(model="", messages=(Message("user", (TextPart(text="Hello"),)),))
    try:
        found = resolve(session.provider, "oauth").advise(probe, credential)
    except ProviderError:
        return []
    return [advice.message for advice in found if advice.level == "warning" and advice.field in session.settings]


@sensitive_variables()
def begin(request: HttpRequest, provider: str, **chosen: Any) -> PendingLogin:
    """Begin a sign-in that is bound to this browser; ``chosen`` and errors: as ``provider.begin_login``."""
    chosen |= {"origin": origin(request), "local_browser": is_local(request), **_whose(request)}
    return _ask(door.begin_login(provider, **chosen), ASKING_S)


def state(request: HttpRequest, login_id: UUID) -> LoginState:
    """Return the sign-in. Raises ``UnknownLogin``: missing, another person's, or begun in another browser."""
    return _ask(door.login_state(str(login_id), **_whose(request)), READ_S)


def pending(request: HttpRequest, login_id: UUID) -> PendingLogin | None:
    """Return the open sign-in, its address and code; ``None`` once it is over. Raises ``UnknownLogin``."""
    found = _ask(ports.login_store().find_login(login_id=str(login_id), **_whose(request)), READ_S)
    return pending_of(found) if found.pending else None


@sensitive_variables()
def complete(request: HttpRequest, login_id: UUID, answer: str) -> str:
    """Spend a pasted answer and return the id of the session. Raises as ``provider.complete_login``."""
    return _ask(door.complete_login(str(login_id), answer=answer, **_whose(request)), ASKING_S).id


@sensitive_variables()
def complete_callback(owner: Pk, browser: str, params: Mapping[str, str]) -> str:
    """Spend the parameters of a callback and return the id of the session. Raises as ``provider.complete_callback``."""
    return _ask(door.complete_callback(params, browser=browser, owner=owner), ASKING_S).id


@sensitive_variables()
def find_callback(owner: Pk, browser: str, params: Mapping[str, str]) -> LoginState:
    """Return the sign-in that a callback belongs to. Raises ``UnknownLogin``."""
    return _ask(door.find_callback(params, browser=browser, owner=owner), READ_S)


def confirm(request: HttpRequest, login_id: UUID) -> str:
    """Accept the other account and return the id of the session. Raises as ``provider.confirm_login``."""
    return _ask(door.confirm_login(str(login_id), **_whose(request)), ASKING_S).id


def cancel(request: HttpRequest, login_id: UUID) -> None:
    """End it; nothing is stored. Raises ``UnknownLogin``."""
    _ask(door.cancel_login(str(login_id), **_whose(request)), READ_S)


@sensitive_variables()
def judge_answer(waiting: PendingLogin, text: str) -> tuple[bool, str]:
    """Say whether a pasted text is an answer of this sign-in, and in words what it is; nothing is spent."""
    try:
        answer = answers.parse(text)
        answers.check(waiting, answer)
    except LoginDenied as error:
        return False, f"The provider answered with an error: {error.message}"
    except LoginError as error:
        return False, " ".join(part for part in (error.message, error.hint) if part)
    if answer.state is None or not waiting.state:
        return True, "This can be a code. The provider says whether it is this attempt’s."
    return True, "Code found, and it belongs to this attempt"


def _whose(request: HttpRequest) -> dict[str, Any]:
    return {"browser": this_browser(request), "owner": request.user.pk}


@sensitive_variables()
def _ask(coro: Coroutine[Any, Any, T], seconds: float) -> T:
    try:
        return loop.run(coro, seconds)
    except TimeoutError:
        raise UpstreamTimeout("The provider did not answer in time.") from None
    except ProviderError:
        raise
    except Exception as error:
        # A report of this error must not show the frames below, which hold codes and secrets; the log has no values.
        logger.exception("a sign-in failed unexpectedly")
        raise error.with_traceback(None) from None
