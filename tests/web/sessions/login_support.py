"""What the tests of sign-ins share: providers that speak to the strict local servers, and a browser at an address."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from providers_app import conf, loop
from providers_app.ports import login_store
from providers_app.registry.settings import config_class
from providers_app.sign_in import flow as login_flow
from providers_app.sign_in.exchange import pending_of
from sessions_app.models import OAuthAttempt
from tests.servers import free_port
from tests.unit.sessions.support import settle
from tests.vendors.auth import Book
from tests.vendors.auth.clients import CODEX
from tests.vendors.server import VendorServer

CONNECT = reverse("sessions:connect")


@dataclass
class Vendors:
    """The books of the authorization servers."""

    openai: Book
    openrouter: Book
    google: Book
    anthropic: Book

    @staticmethod
    def enable(slug: str, *flows: str) -> None:
        """What an operator does: turn restricted flows on."""
        before = conf.current()
        config = conf.provider(slug).model_copy(update={"enabled_flows": flows})
        conf.configure(before.model_copy(update={slug: config}))


def codex_ports(book: Book) -> tuple[int, int]:
    """Ports of the test's own for the listener of Codex: its usual ones may be held by another run on this machine."""
    found = (free_port(), free_port())
    book.add_client(CODEX, redirects=[f"http://localhost:{port}/auth/callback" for port in (1455, 1457, *found)])
    return found


@pytest.fixture
def vendors(
    openai_auth: VendorServer,
    openai_server: VendorServer,
    openrouter_server: VendorServer,
    google_auth: VendorServer,
    gemini_server: VendorServer,
    anthropic_auth: VendorServer,
    anthropic_server: VendorServer,
) -> Iterator[Vendors]:
    """Every provider at its strict server, as an operator would set the addresses; the settings before come back."""
    before = conf.current()
    oa, ga, aa = openai_auth.origin, google_auth.origin, anthropic_auth.origin
    given: dict[str, Any] = {
        "openai": {
            "base_url": openai_server.base_url,
            "chatgpt_base_url": f"{openai_server.origin}/backend-api/codex",
            "oauth": {
                "issuer": oa,
                "ports": codex_ports(openai_auth.auth),
                "authorize_url": f"{oa}/oauth/authorize",
                "token_url": f"{oa}/oauth/token",
                "revoke_url": f"{oa}/oauth/revoke",
                "device_code_url": f"{oa}/api/accounts/deviceauth/usercode",
                "device_token_url": f"{oa}/api/accounts/deviceauth/token",
                "device_page_url": f"{oa}/codex/device",
                "device_redirect_uri": f"{oa}/deviceauth/callback",
            },
            "siwc": {
                "issuer": oa,
                "authorize_url": f"{oa}/api/accounts/authorize",
                "token_url": f"{oa}/api/accounts/oauth/token",
            },
        },
        "openrouter": {"base_url": openrouter_server.base_url, "auth_url": f"{openrouter_server.origin}/auth"},
        "gemini": {
            "base_url": gemini_server.origin,
            "oauth": {
                "issuer": ga,
                "authorize_url": f"{ga}/o/oauth2/v2/auth",
                "token_url": f"{ga}/token",
                "revoke_url": f"{ga}/revoke",
                "jwks_url": f"{ga}/oauth2/v3/certs",
            },
        },
        "anthropic": {
            "base_url": anthropic_server.base_url,
            "oauth": {
                "authorize_url": f"{aa}/oauth/authorize",
                "token_url": f"{aa}/v1/oauth/token",
                "redirect_uri": f"{aa}/oauth/code/callback",
                "profile_url": f"{aa}/api/oauth/profile",
            },
        },
    }
    made = {slug: config_class(slug).model_validate(values) for slug, values in given.items()}
    base = settings.MAESTRO.providers.model_copy(update={"allowed_private_hosts": ("127.0.0.1",), **made})
    conf.configure(base)
    yield Vendors(openai_auth.auth, openrouter_server.auth, google_auth.auth, anthropic_auth.auth)
    settle()
    conf.configure(before)


class Browser(Client):
    """A client that reaches Maestro by http or https, whatever it asks for."""

    is_secure = False

    def generic(self, *args: Any, **kwargs: Any) -> Any:
        return super().generic(*args, **(kwargs | {"secure": self.is_secure}))


def browser_at(user: User | None, host: str = "localhost:8000", *, secure: bool = False, **extra: Any) -> Browser:
    """A browser that reaches Maestro under this host name; ``REMOTE_ADDR`` is loopback unless said otherwise."""
    client = Browser(HTTP_HOST=host, **extra)
    client.is_secure = secure
    if user is not None:
        client.force_login(user)
    return client


def form_of(slug: str, flow: str = "", **more: str) -> str:
    """The address of the Connect form for a flow."""
    parts = {"provider": slug, "auth_type": "oauth", "flow": flow} | more
    return CONNECT + "?" + "&".join(f"{name}={value}" for name, value in parts.items() if value)


def begin(client: Client, slug: str, flow: str = "", **data: str) -> str:
    """Begin a sign-in through the form; the address of its page."""
    answer = client.post(form_of(slug, flow), {"name": f"my_{slug}_login"} | data)
    assert answer.status_code == 302, answer.context["form"].errors
    return str(answer["Location"])


def url_of(client: Client, page: str) -> str:
    """The address that a sign-in's page says to open."""
    waiting = client.get(page).context["waiting"]
    assert waiting is not None
    return str(waiting.url)


def attempt() -> OAuthAttempt:
    """The newest sign-in."""
    return OAuthAttempt.objects.order_by("created_at").last()  # type: ignore[return-value]


def secrets_of_attempt(user: User) -> list[str]:
    """Verifier and nonce of the newest sign-in, which no page may show."""
    row = attempt()
    found = loop.run(login_store().find_login(user.pk, login_id=str(row.pk), browser=row.browser), 60)
    pending = pending_of(found)
    return [secret.reveal() for secret in (pending.verifier, pending.nonce, pending.device_code) if secret]


def state_of(user: User) -> str:
    """The status of the newest sign-in, as the core says it."""
    row = attempt()
    return loop.run(login_flow.login_state(str(row.pk), browser=row.browser, owner=user.pk), 60).status
