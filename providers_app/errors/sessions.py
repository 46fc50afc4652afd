"""Errors of calls about sessions, their credentials and their sign-ins."""

from providers_app.errors.caller import CallerError, InvalidRequest, Step


class UnknownSession(CallerError, code="unknown_session", status=404):
    """The owner has no session of this name or id; a foreign or deleted one is none either."""

    why = "The name is misspelt, the session was deleted, or it belongs to another person."
    fix = "`manage.py sessions list` and the Sessions page list yours."
    step = Step.CHOOSE_SESSION


class AmbiguousSession(CallerError, code="ambiguous_session", status=409):
    """A name fits several sessions; the hint lists them."""

    why = "Sessions of different providers or auth types may have the same name."
    fix = "Name the provider and the auth type, or use the session's id."


class UnknownAlias(CallerError, code="unknown_alias", status=404):
    """The owner has no alias of this name or id."""

    why = "The name is misspelt, the alias was deleted, or it belongs to another person."
    default_hint = "`manage.py aliases list` and the page Settings, Aliases, list yours."


class DuplicateAlias(CallerError, code="duplicate_alias", status=409):
    """The owner has an alias or a session of this name."""

    why = "Aliases and sessions are named in the same places, so no two of a person have the same name, in any case."
    default_hint = "Choose another name, or change the alias that has it."


class InvalidRoute(InvalidRequest, code="invalid_route", status=422):
    """A route of an alias names no session of its owner, no model, or what the alias has already."""

    why = "A route is one of your sessions with a model that it is asked for; each pair can be in an alias once."
    default_hint = "Give each route as SESSION/MODEL."


class NoUsableRoute(CallerError, code="no_usable_route", status=409):
    """An alias has no route that can be asked: each of its sessions is disabled, needs a sign-in, or was deleted."""

    why = "The alias has no routes, or the sessions of all of them are disabled or need a new sign-in."
    step = Step.CHOOSE_SESSION
    default_hint = "Add a route to the alias, or enable one of its sessions."


class DuplicateSession(CallerError, code="duplicate_session", status=409):
    """Another session of the owner has this name, or holds this very login."""

    why = "Names are unique for each provider and auth type, in any case; one login is kept once."
    default_hint = "Choose another name, or delete the session that has it."


class InvalidName(CallerError, code="invalid_name", status=422):
    """The name of a session has a wrong length or wrong characters, or could be mistaken for something else."""

    why = "Names are used in addresses, commands and model names, so their characters are limited."
    default_hint = "Use 3 to 50 letters, digits, _ and -."


class InvalidCredential(CallerError, code="invalid_credential", status=422):
    """A key, key file or login is malformed, incomplete or missing; nothing of it is quoted."""

    why = "The text is no key of this provider, was cut when it was copied, or is a placeholder from an example."
    fix = "Copy the key again from the provider's page."


class InvalidOption(InvalidRequest, code="invalid_option", status=422):
    """An option of a session is unknown or has a wrong value; ``field`` is its name."""

    why = "The provider does not know this option, or not this value."
    fix = "The session's page lists its options."

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class SessionDisabled(CallerError, code="session_disabled", status=409):
    """The session is switched off."""

    why = "The session was disabled, or its login had been dead for so long that its secrets were destroyed."
    step = Step.OPEN_SESSION
    default_hint = "Enable the session on its page, or use another one."


class LoginError(CallerError, code="login_error", status=400):
    """The sign-in cannot go on as it is; the hint says which way is open."""

    why = "The answer does not fit the state of the sign-in."
    fix = "Begin the sign-in again."


class UnknownLogin(LoginError, code="unknown_login", status=404):
    """The sign-in is missing, or was begun by another person or in another browser."""

    why = "Sign-ins are tied to the browser that began them and are deleted some time after their end."
    default_hint = "Begin the sign-in again, in this browser."


class LoginExpired(LoginError, code="login_expired", status=410):
    """The sign-in was not finished in time."""

    why = "A sign-in has to be finished within some minutes."
    default_hint = "Begin the sign-in again; nothing was stored."


class LoginUsed(LoginError, code="login_used", status=409):
    """The sign-in has its answer, or is over; an answer can be given once."""

    why = "The same answer came twice, for example from two tabs."
    default_hint = "Each sign-in takes one answer. Begin again for another one."


class LoginDenied(LoginError, code="login_denied", status=403):
    """The provider's page answered with an error: a refusal, or a cancelled sign-in."""

    why = "The access was declined on the provider's page, or the account may not grant it."
    default_hint = "Begin again and allow the access, or use another way to sign in."


class InvalidLoginAnswer(LoginError, code="invalid_login_answer", status=422):
    """The text or address is no answer to this sign-in, which still waits for one."""

    why = "Only a part was copied, or the address of another page."
    fix = "Copy the whole address or code from the page on which the sign-in ends."


class MissingScope(LoginError, code="missing_scope", status=403):
    """The account, or its organization, withheld a permission that the login is for."""

    why = "A box was unticked on the provider's page, or an administrator of the account does not allow the access."
    fix = "Begin again and allow all permissions, or ask the administrator."


class WrongAccount(LoginError, code="wrong_account", status=409):
    """The person signed in with another account than the session has."""

    why = "The browser was signed in at the provider with another account."
    default_hint = "Confirm the other account, or sign in with the one that the session had."


class FlowDisabled(LoginError, code="flow_disabled", status=403):
    """The operator has not turned this sign-in on."""

    why = "The provider restricts this sign-in to its own programs, so it is off until an administrator enables it."
    fix = "The Connect page names the setting."


class ListenerUnavailable(LoginError, code="listener_unavailable", status=409):
    """Every port that the answer could come to is taken."""

    why = "Another program, or another sign-in, uses the ports."
    default_hint = "Paste the address that you land on instead."


class NotRefreshable(CallerError, code="not_refreshable", status=409):
    """There is nothing to refresh with, or it belongs to another program."""

    why = "The login has no refresh token, or another program refreshes it."
    fix = "Sign in again when its access has ended."
    step = Step.RENEW


class RefreshTooEarly(CallerError, code="refresh_too_early", status=409):
    """The provider forbids a refresh before a time."""

    why = "Some providers treat a refresh that comes too soon as abuse."
    fix = "Wait until the time that the message names."


class NeedsReauth(CallerError, code="needs_reauth", status=401):
    """The login does not work any more; only a new sign-in helps."""

    why = "The provider ended the login: it was revoked, expired, or its refresh token was already used."
    step = Step.RENEW
    default_hint = "Sign in again on the session's page: the session keeps its name and its trail."

    @classmethod
    def hint_at(cls, page: str) -> str:
        """Return the hint with the address of the session's page, where that is known."""
        return cls.default_hint.replace("on the session's page", f"at {page}") if page else cls.default_hint
