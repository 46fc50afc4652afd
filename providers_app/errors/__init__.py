"""Every error that leaves ``providers_app``. An error knows its stable code, its HTTP meaning and whether to try again.

ProviderError
├── CallerError                 the call itself is wrong; trying again changes nothing
│   ├── UnknownProvider         404 unknown_provider
│   ├── UnknownSession          404 unknown_session
│   ├── AmbiguousSession        409 ambiguous_session
│   ├── DuplicateSession        409 duplicate_session
│   ├── InvalidName             422 invalid_name
│   ├── InvalidCredential       422 invalid_credential
│   ├── InvalidRequest          400 invalid_request
│   │   ├── InvalidOption       422 invalid_option      of a session; its ``field`` names it
│   │   ├── EmptyPrompt         400 empty_prompt
│   │   ├── ContextTooLong      400 context_too_long
│   │   ├── InvalidIntent       400 invalid_intent      of a tool, or stated by a model
│   │   ├── UnsupportedContent  400 unsupported_content the API has no form for such a document, picture, recording
│   │   └── InvalidParameter    400 invalid_parameter       its advice says what is wrong with each
│   │       └── UnsupportedParameter 400 unsupported_parameter  only with strict: else they are left out and said
│   ├── OwnerRequired           400 owner_required
│   ├── UnknownContext          404 unknown_context
│   ├── UnsupportedOperation    501 unsupported_operation
│   ├── SessionDisabled         409 session_disabled
│   ├── LoginError              400 login_error         a sign-in that cannot go on as it is
│   │   ├── UnknownLogin        404 unknown_login       missing, or begun by another user or in another browser
│   │   ├── LoginExpired        410 login_expired
│   │   ├── LoginUsed           409 login_used          an answer can be given once
│   │   ├── LoginDenied         403 login_denied        the provider's page answered with an error
│   │   ├── InvalidLoginAnswer  422 invalid_login_answer
│   │   ├── MissingScope        403 missing_scope
│   │   ├── WrongAccount        409 wrong_account
│   │   ├── FlowDisabled        403 flow_disabled       the operator has not turned it on
│   │   └── ListenerUnavailable 409 listener_unavailable
│   ├── NotRefreshable          409 not_refreshable     nothing to refresh with, or it belongs to another program
│   ├── RefreshTooEarly         409 refresh_too_early   the provider forbids it before a time
│   ├── NeedsReauth             401 needs_reauth        only a new sign-in helps
│   └── AddressRefused          403 address_refused     (SSRF guard)
├── NotConfigured               503 not_configured      no store installed, no key ring ...
├── ProviderBroken              503 provider_broken     the provider's package does not load or comply
└── UpstreamError               what the provider, or the way to it, answered
    ├── BadRequest              400 upstream_bad_request
    │   └── PromptTooLong       400 context_too_long
    ├── AuthenticationFailed    401 upstream_authentication
    │   └── TokenRefused        401 token_refused       a token endpoint says: never again with this
    ├── BillingRequired         402 upstream_billing
    ├── PermissionDenied        403 upstream_permission
    ├── NotFound                404 upstream_not_found
    │   └── UnknownModel        404 unknown_model
    ├── RequestTimeout          408 upstream_request_timeout
    ├── Conflict                409 upstream_conflict
    ├── RequestTooLarge         413 upstream_request_too_large
    ├── RateLimited             429 upstream_rate_limit
    │   └── QuotaExhausted      429 upstream_quota      waiting does not help
    ├── ServerError             500 upstream_server_error
    ├── Overloaded              529 upstream_overloaded
    ├── ContentRefused          400 upstream_content_filter
    ├── ConnectionFailed        502 connection_failed   no answer began
    ├── UpstreamTimeout         504 upstream_timeout    silence
    ├── StreamInterrupted       502 stream_interrupted  an answer began and broke off
    ├── BadAnswer               502 upstream_bad_answer a body that is no answer (HTML, empty, not JSON)
    │   ├── AnswerTooLarge      502 answer_too_large    more bytes or text than one answer may have
    │   └── InvalidIdToken      502 invalid_id_token    not signed, not for us, or of another time
    ├── RefreshFailed           502 refresh_failed      the access token ended, and a new one was not to be had now
    ├── TokenOutcomeUnknown     502 token_outcome_unknown  the token may be spent: no answer could be read
    └── Cancelled               499 cancelled           the user pressed Stop
"""

from providers_app.errors.base import *  # noqa: F403
from providers_app.errors.base import ProviderError
from providers_app.errors.caller import *  # noqa: F403
from providers_app.errors.upstream import *  # noqa: F403
from providers_app.errors.upstream import UpstreamError
from providers_app.types.events import ErrorInfo

_BY_CODE: dict[str, type[ProviderError]] = {
    kind.code: kind for kind in tuple(vars().values()) if isinstance(kind, type) and issubclass(kind, ProviderError)
}


def class_of(code: str) -> type[ProviderError] | None:
    """Return the class of errors with this stable code; ``context_too_long`` is that of a provider's answer."""
    return _BY_CODE.get(code)


def error_from(info: ErrorInfo) -> UpstreamError:
    """Return the typed error that an error inside a stream stands for, by its stable code."""
    kind = _BY_CODE.get(info.code, UpstreamError)
    return (kind if issubclass(kind, UpstreamError) else UpstreamError)(
        info.message,
        hint=info.hint,
        status=info.status,
        type=info.type,
        retry_after=info.retry_after,
        upstream_code=info.upstream_code,
    )
