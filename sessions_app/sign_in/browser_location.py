"""The location of a browser, and the sign-in methods that can work from there."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from providers_app.behaviours.oauth import Method

# What a proxy adds: behind one, the address of the connection says nothing about the browser.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_HOST")
LABELS: dict[str, tuple[str, str]] = {
    "callback": ("Come back by itself", "The provider’s page leads your browser back to this Maestro."),
    "loopback": ("Listen on this machine", "Maestro waits on this machine for your browser, and goes on by itself."),
    "paste_code": ("Paste the code", "The provider’s page shows a code, and you copy it here."),
    "paste_url": ("Paste the address", "The last page may not be reachable. You copy its address here."),
    "device": ("Device code", "You type a short code on the provider’s page, on any device."),
    "direct": ("No browser", "The login is made from what you enter here."),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One method of a flow as a choice; ``problem`` says why it cannot work from this browser, empty where it can."""

    method: Method
    label: str
    text: str
    problem: str = ""


def browser_of(session_key: str | None) -> str:
    """Return the mark that binds a sign-in to a browser: a hash of its session's key, which is worth a password."""
    return salted_hmac("sessions_app.browser", session_key or "", algorithm="sha256").hexdigest()


def this_browser(request: HttpRequest) -> str:
    """Return ``browser_of`` a signed-in request."""
    return browser_of(request.session.session_key)


def is_local(request: HttpRequest) -> bool:
    """Say whether the browser certainly runs on the machine that Maestro runs on."""
    if settings.MAESTRO.behind_tls_proxy or any(name in request.META for name in _FORWARDED):
        return False
    return _is_loopback(request.META.get("REMOTE_ADDR", "")) and _is_loopback(_host_of(f"//{request.get_host()}"))


def origin(request: HttpRequest) -> str:
    """Return scheme, host and port under which this Maestro is reached: the configured one, else the request's."""
    configured = urlsplit(settings.MAESTRO.public_url)
    if configured.scheme and configured.netloc:
        return f"{configured.scheme}://{configured.netloc}"
    return f"{request.scheme}://{request.get_host()}"


def choices(
    methods: Iterable[Method], request: HttpRequest, impossible: Mapping[Method, str] | None = None
) -> list[Choice]:
    """Return the methods as they can be offered to this browser, those that work from here first.

    ``impossible``: methods that the sign-in would refuse, and why; a problem of this browser is more precise.
    """
    others = {method: f"Not from here: {why}." for method, why in (impossible or {}).items()}
    problems = {method: _problem(method, request) or others.get(method, "") for method in methods}
    found = [Choice(method, *LABELS[method], problem=problem) for method, problem in problems.items()]
    return sorted(found, key=lambda choice: bool(choice.problem))


def _problem(method: Method, request: HttpRequest) -> str:
    if method == "loopback" and not is_local(request):
        return (
            "Not from here: your browser runs on another machine than Maestro, so the provider’s page could not reach "
            "the listener."
        )
    if method != "callback":
        return ""
    own = urlsplit(origin(request))
    if own.scheme != "https" and not _is_loopback(own.hostname or ""):
        return (
            f"Not from here: providers lead back to https only, and this Maestro is reached as {own.scheme}://"
            f"{own.netloc}. Put a TLS proxy in front and set MAESTRO_PUBLIC_URL to its https address."
        )
    if (own.hostname or "") != _host_of(f"//{request.get_host()}"):
        return (
            f"Not from here: the provider leads back to {own.scheme}://{own.netloc}, and you opened Maestro as "
            f"{request.get_host()}. Open it there and begin again."
        )
    return ""


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
