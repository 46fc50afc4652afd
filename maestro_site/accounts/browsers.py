"""The browsers that a person is signed in with: recording each, listing them and signing them out."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from maestro_site.accounts.models import BrowserSession

# One write per browser and five minutes is enough to say "seen 3 m ago".
SEEN_STEP = timedelta(minutes=5)
NOTED = "browser_noted_at"

# Tokens of User-Agent headers; the first that matches wins, since Edge also says Chrome and Chrome also says Safari.
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")


class BrowserSessionMiddleware(MiddlewareMixin):
    """Record each signed-in browser, for sync and async servers."""

    def process_request(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            note(request)


def note(request: HttpRequest) -> None:
    """Record that this signed-in browser was seen; writes at most once in ``SEEN_STEP``."""
    now = timezone.now()
    if now.timestamp() - request.session.get(NOTED, 0) < SEEN_STEP.total_seconds():
        return
    request.session[NOTED] = now.timestamp()
    if request.session.session_key is None:
        request.session.save()
    agent = request.headers.get("User-Agent", "")[:200]
    seen: dict[str, Any] = {"user": request.user, "agent": agent, "last_seen_at": now}
    BrowserSession.objects.update_or_create(session_key=request.session.session_key, defaults=seen)


def listing(user: User, key: str | None) -> list[dict[str, Any]]:
    """Return the person's browsers, newest first; ``key`` is that of the current one."""
    return [
        {"id": one.pk, "agent": describe(one.agent), "last_seen": one.last_seen_at, "current": one.session_key == key}
        for one in BrowserSession.objects.filter(user_id=user.pk)[:50]
    ]


def sign_out(user: User, browser_id: int) -> bool:
    """End one browser session of this person; ``False`` when it is not theirs or already over."""
    browser = BrowserSession.objects.filter(user_id=user.pk, pk=browser_id).first()
    if browser is not None:
        SessionStore(session_key=browser.session_key).delete()
        browser.delete()
    return browser is not None


def forget_all(request: HttpRequest) -> None:
    """Drop all rows after a new password, which signs the others out; this browser's next request records it again."""
    BrowserSession.objects.filter(user=request.user).delete()  # type: ignore[misc]  # the caller has checked
    request.session.pop(NOTED, None)


def prune() -> None:
    """Remove expired browser sessions, and the rows of browsers that were not seen for as long."""
    SessionStore.clear_expired()
    oldest = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    BrowserSession.objects.filter(last_seen_at__lt=oldest).delete()


def forget(session_key: str | None) -> None:
    """Drop the row of a browser that signed out."""
    BrowserSession.objects.filter(session_key=session_key or "").delete()


def describe(agent: str) -> str:
    """Return "Firefox on Linux" for a User-Agent header: enough to recognise one's own machine."""
    browser = next((name for token, name in BROWSERS if token in agent), "A browser")
    system = next((token for token in SYSTEMS if token in agent), "").replace("Mac OS", "macOS")
    return f"{browser} on {system}" if system else browser
