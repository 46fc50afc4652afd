"""A provider with every way to sign in, and its side of it: who allowed what, which codes are left."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest

from providers_app import providers
from providers_app.behaviours.oauth import LoginAnswer, LoginField, LoginStart, Method, OAuthFlow, PendingLogin
from providers_app.behaviours.oauth.pkce import challenge_of, new_state, new_verifier
from providers_app.errors import LoginDenied, TokenRefused
from providers_app.registry.discovery import registry
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import OAuthClient, Tokens
from tests.unit.providers.packages import write_package

PAGE = "https://signer.test/authorize"
PORTS = (0,)

FILES = {
    "__init__.py": '''
"""Signs in."""

from providers_app.types.catalogue import Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="{slug}",
    name="Signer",
    monogram="Si",
    description="Signs in.",
    auth_types=("oauth",),
    capabilities=Capabilities(names=frozenset({{"chat", "streaming", "models"}})),
)
''',
    "config.py": """
from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    model_config = ConfigDict(frozen=True)

    base_url: str = Field(default="https://api.example.com/v1", description="Address of the API.")
    enabled_flows: tuple[str, ...] = Field(default=(), description="Restricted sign-ins that are on.")
""",
    "oauth.py": "from tests.unit.providers.login_flow.signer import BEHAVIOUR\n__all__ = ['BEHAVIOUR']\n",
}


def write_signer(folder: Path, slug: str = "signer") -> None:
    """The package, ready to be found in ``folder``."""
    write_package(folder, slug, dict(FILES))


class Side:
    """What the provider knows. ``faults`` are raised by the next exchanges or polls, ``closed`` by each begin."""

    def __init__(self) -> None:
        self.codes: dict[str, tuple[str, str, str]] = {}
        self.devices: dict[str, str] = {}
        self.asked: list[str] = []
        self.urls: list[str] = []
        self.faults: deque[Exception] = deque()
        self.closed: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.expires_in: float | None = 3600.0
        self.can_revoke = True
        self.revoked: list[str] = []
        self.ports: tuple[int, ...] = PORTS
        self.interval = 0.02
        self._count = 0

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}-{self._count:04d}-of-the-signer"

    def allow(self, url: str, account: str = "acc-1", *, deny: bool = False) -> str:
        """What a click on Allow (or Deny) leads to: the redirect address, or ``code#state`` without one."""
        asked = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        state = asked["state"]
        if deny:
            answer = {"error": "access_denied", "state": state}
        else:
            code = self.fresh("code")
            self.codes[code] = (asked["challenge"], asked["redirect_uri"], account)
            answer = {"code": code, "state": state}
        if not asked["redirect_uri"].startswith("http"):
            return f"{answer.get('code')}#{state}"
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def tokens(self, flow: str, account: str) -> Tokens:
        return Tokens(
            flow=flow,
            access=Secret(self.fresh("access")),
            refresh=Secret(self.fresh("refresh")),
            expires_at=time.time() + self.expires_in if self.expires_in is not None else None,
            client=OAuthClient(id="maestro-test"),
            issuer="https://signer.test",
            account_id=account,
            account_label=f"{account}@signer.test",
            facts={"plan": "plus"},
        )


SIDE = Side()


@contextmanager
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """Inside the block the provider ``signer`` is one of the packages; this is what it knows."""
    write_signer(folder)
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(folder)])
    registry.reset()
    yield reset()
    registry.reset()


def reset() -> Side:
    """A provider that knows nothing yet."""
    SIDE.__init__()  # type: ignore[misc]
    return SIDE


class Signer:
    """Every method, a restricted flow, one with fields and one without a browser."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        every: tuple[Method, ...] = ("callback", "loopback", "paste_url", "paste_code")
        return (
            OAuthFlow(
                name="page",
                label="Signer's page",
                methods=every,
                rotation="single_use",
                ports=SIDE.ports,
                paste_redirect="code-page",
            ),
            OAuthFlow(name="device", label="Signer's device code", methods=("device",), rotation="single_use"),
            OAuthFlow(
                name="machine",
                label="Signer's machine key",
                methods=("direct",),
                rotation="minted",
                fields=(
                    LoginField(name="key", label="Key", help="The machine's key.", secret=True),
                    LoginField(name="project", label="Project", required=False),
                ),
            ),
            OAuthFlow(
                name="forbidden",
                label="Signer's own client",
                methods=("paste_code",),
                rotation="single_use",
                position="Signer wants only its own program to do this.",
                position_url="https://signer.test/terms",
                restricted=True,
                client_fields=True,
                consent="I know what Signer says.",
            ),
        )

    async def begin(self, start: LoginStart, http: Any) -> PendingLogin:
        flow, method, client, redirect_uri, given = msgspec.structs.astuple(start)
        SIDE.asked.append(f"begin {method}")
        if SIDE.closed is not None:
            raise SIDE.closed
        state, verifier = new_state(), new_verifier()
        if method == "direct":
            return PendingLogin(flow=flow.name, method=method, given=given)
        if method == "device":
            code = SIDE.fresh("device")
            SIDE.devices[code] = ""
            return PendingLogin(
                flow=flow.name,
                method=method,
                url="https://signer.test/device",
                user_code="ABCD-EFGH",
                device_code=Secret(code),
                interval=SIDE.interval,
            )
        asked = {"state": state.reveal(), "challenge": challenge_of(verifier), "redirect_uri": redirect_uri}
        SIDE.urls.append(f"{PAGE}?{urlencode(asked)}")
        return PendingLogin(
            flow=flow.name,
            method=method,
            url=SIDE.urls[-1],
            state=state,
            verifier=verifier,
            redirect_uri=redirect_uri,
            client=client,
        )

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Any) -> Tokens:
        SIDE.asked.append("exchange")
        if SIDE.hold is not None:
            await SIDE.hold.wait()
        if SIDE.faults:
            raise SIDE.faults.popleft()
        if pending.method == "direct":
            if pending.given["key"].reveal() != "the-machine-key":
                raise TokenRefused(
                    f"The signer refused {pending.given['key'].reveal()}.", upstream_code="invalid_grant"
                )
            made = SIDE.tokens(pending.flow, "machine-1")
            return msgspec.structs.replace(made, refresh=Secret(""), material=dict(pending.given))
        known = SIDE.codes.pop(answer.code.reveal(), None)
        if known is None or known[:2] != (challenge_of(pending.verifier), pending.redirect_uri):
            raise TokenRefused("The signer refused the code.", upstream_code="invalid_grant")
        return SIDE.tokens(pending.flow, known[2])

    async def identified(self, tokens: Tokens, http: Any, pending: PendingLogin | None = None) -> Tokens:
        return tokens

    async def poll(self, pending: PendingLogin, http: Any) -> Tokens | PendingLogin:
        SIDE.asked.append("poll")
        if SIDE.faults:
            raise SIDE.faults.popleft()
        account = SIDE.devices[pending.device_code.reveal()]
        if account == "deny":
            raise LoginDenied("The signer's page was answered with no.")
        if not account:
            return msgspec.structs.replace(pending, interval=pending.interval + 0.001)
        return SIDE.tokens(pending.flow, account)

    async def refresh(self, tokens: Tokens, http: Any) -> Tokens:
        return SIDE.tokens(tokens.flow, tokens.account_id)

    async def api_credentials(self, tokens: Tokens, http: Any) -> Credential:
        return Credential(auth_type="oauth", secret=tokens.signing, settings={**tokens.facts, "mode": "direct"})

    async def revoke(self, tokens: Tokens, http: Any) -> bool:
        if SIDE.faults:
            raise SIDE.faults.popleft()
        SIDE.revoked.append(tokens.refresh.reveal())
        return SIDE.can_revoke

    def authorize(self, credential: Credential, request: Any) -> Any:
        return request.with_headers({"authorization": f"Bearer {credential.secret.reveal()}"}, secret=True)

    async def test(self, credential: Credential, http: Any) -> Account:
        return Account()

    def advise(self, chat: Any, credential: Credential) -> list[Any]:
        return []


BEHAVIOUR = Signer()
