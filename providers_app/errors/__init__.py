"""Every error that leaves ``providers_app``. An error knows its stable code, its HTTP meaning and whether to try again.

``caller``: the root, and calls that are wrong: trying again changes nothing; ``sessions``: those of them that are
about sessions and sign-ins. ``upstream``: the provider, or the way to
it, answered with an error. ``docs/python.md`` shows the tree.
"""

import msgspec

from providers_app.errors.caller import *  # noqa: F403
from providers_app.errors.caller import ProviderError
from providers_app.errors.sessions import *  # noqa: F403
from providers_app.errors.timeouts import *  # noqa: F403
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
    given = msgspec.structs.asdict(info)
    kind = _BY_CODE.get(given.pop("code"), UpstreamError)
    return (kind if issubclass(kind, UpstreamError) else UpstreamError)(**given)
