"""Tokens that are made anew: kept until shortly before their end, one request for callers that come together."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from providers_app.behaviours.credentials import (
    ApiKeyCredentialProvider,
    CredentialProvider,
    Minted,
    NoCredentialProvider,
)
from providers_app.errors import AuthenticationFailed, ConnectionFailed
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import Tokens

HTTP: Any = SimpleNamespace()


class Mint:
    """Counts, waits for a gate, and fails on request."""

    def __init__(self, life: float | None = 3600.0) -> None:
        self.made = 0
        self.life = life
        self.now = 1000.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing = False

    async def __call__(self, http: Any) -> Tokens:
        self.made += 1
        number = self.made
        await self.gate.wait()
        if self.failing:
            raise ConnectionFailed("no network")
        ends = None if self.life is None else self.now + self.life
        return Tokens(flow="minted", access=Secret(f"token-{number}"), expires_at=ends, facts={"project": "p"})

    def provider(self, margin: float = 300.0) -> Minted:
        return Minted(self, margin=margin, clock=lambda: self.now)


async def shown(provider: CredentialProvider) -> str:
    return (await provider.credential(HTTP)).secret.reveal()


async def test_a_token_is_kept_until_its_margin() -> None:
    mint = Mint()
    provider = mint.provider()
    assert await shown(provider) == "token-1"
    mint.now += 3299
    assert await shown(provider) == "token-1"
    mint.now += 2
    assert await shown(provider) == "token-2"
    assert (await provider.credential(HTTP)).settings == {"project": "p"}


async def test_a_token_shorter_than_its_margin_is_used_for_half_its_life() -> None:
    mint = Mint(life=60)
    provider = mint.provider()
    assert await shown(provider) == "token-1"
    mint.now += 29
    assert await shown(provider) == "token-1"
    mint.now += 2
    assert await shown(provider) == "token-2"


async def test_a_token_without_an_end_is_kept_until_it_is_refused() -> None:
    mint = Mint(life=None)
    provider = mint.provider()
    first = await provider.credential(HTTP)
    mint.now += 10**9
    assert await provider.credential(HTTP) == first
    assert (await provider.renewed(first, AuthenticationFailed("no"), HTTP)).secret.reveal() == "token-2"


async def test_callers_that_come_together_share_one_request() -> None:
    mint = Mint()
    mint.gate.clear()
    provider = mint.provider()
    waiting = [asyncio.ensure_future(shown(provider)) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    mint.gate.set()
    assert await asyncio.gather(*waiting[1:]) == ["token-1"] * 19
    assert mint.made == 1


async def test_many_refused_at_once_renew_once() -> None:
    mint = Mint()
    provider = mint.provider()
    old = await provider.credential(HTTP)
    error = AuthenticationFailed("no")
    renewed = await asyncio.gather(*(provider.renewed(old, error, HTTP) for _ in range(10)))
    assert {one.secret.reveal() for one in renewed} == {"token-2"}
    late = await provider.renewed(old, error, HTTP)
    assert late.secret.reveal() == "token-2"
    assert mint.made == 2


async def test_a_failure_reaches_all_and_the_next_call_tries_again() -> None:
    mint = Mint()
    mint.failing = True
    provider = mint.provider()
    results = await asyncio.gather(*(shown(provider) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionFailed] * 3
    assert mint.made == 1
    mint.failing = False
    assert await shown(provider) == "token-2"


async def test_a_key_and_nothing_cannot_be_renewed() -> None:
    key = Credential(auth_type="api_key", secret=Secret("sk"))
    error = AuthenticationFailed("no")
    for provider in (ApiKeyCredentialProvider(key), NoCredentialProvider()):
        credential = await provider.credential(HTTP)
        with pytest.raises(AuthenticationFailed):
            await provider.renewed(credential, error, HTTP)
    assert await NoCredentialProvider().credential(HTTP) == Credential(auth_type="none")
