"""The sign-ins of ``manage.py e2e``: a new one before the old one ends, and whichever is answered first counts."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from maestro_site.e2e import run
from maestro_site.e2e.run import SignIns
from providers_app import errors


class Provider:
    """The provider's side: each sign-in that was begun, and how it ends when the test says so."""

    def __init__(self, *lives_s: float, method: str = "device") -> None:
        self.lives, self.method = list(lives_s), method
        self.ends: dict[str, asyncio.Future[str]] = {}
        self.cancelled: list[str] = []
        self.answers: list[tuple[str, str]] = []
        self.refused: set[str] = set()

    async def begin_login(self, slug: str, **given: Any) -> Any:
        login_id = f"login-{len(self.ends) + 1}"
        self.ends[login_id] = asyncio.get_running_loop().create_future()
        return SimpleNamespace(id=login_id, method=self.method, expires_at=time.time() + self.lives.pop(0))

    async def wait_login(self, login_id: str, *, owner: Any) -> str:
        return await asyncio.shield(self.ends[login_id])

    async def complete_login(self, login_id: str, *, answer: str, owner: Any) -> str:
        self.answers.append((login_id, answer))
        if login_id in self.refused:
            raise errors.InvalidLoginAnswer("It belongs to another one.")
        return f"session of {login_id}"

    async def cancel_login(self, login_id: str, *, owner: Any) -> None:
        self.cancelled.append(login_id)


async def begun(provider: Provider, count: int) -> None:
    async with asyncio.timeout(60):
        while len(provider.ends) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture
def sign_ins(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SignIns]:
    def make(provider: Provider, **given: Any) -> SignIns:
        monkeypatch.setattr(run, "provider", provider)
        plan: Any = SimpleNamespace(
            provider="x", flow="", method="", client=None, given={}, local_browser=True, owner=1, timeout_s=None,
            renew_at=0.5,
        )  # fmt: skip
        told: dict[str, Any] = {"show": lambda pending: None, "refuse": lambda error: None, "paste": None}
        return SignIns(plan, "e2e", **(told | given))

    return make


async def test_the_sign_in_that_is_answered_is_the_session(sign_ins: Any) -> None:
    provider = Provider(600)
    signing = asyncio.create_task(sign_ins(provider).sign_in())
    await begun(provider, 1)
    provider.ends["login-1"].set_result("a session")
    assert await asyncio.wait_for(signing, 60) == "a session"


async def test_an_older_sign_in_that_fails_ends_nothing_and_one_that_works_counts(sign_ins: Any) -> None:
    provider = Provider(0, 0, 600)
    signing = asyncio.create_task(sign_ins(provider).sign_in())
    await begun(provider, 3)
    provider.ends["login-1"].set_exception(errors.LoginDenied("It was refused."))
    await asyncio.sleep(0)
    assert not signing.done()
    provider.ends["login-2"].set_result("the older one")
    assert await asyncio.wait_for(signing, 60) == "the older one"


async def test_the_newest_sign_in_that_fails_is_the_failure(sign_ins: Any) -> None:
    provider = Provider(0, 600)
    signing = asyncio.create_task(sign_ins(provider).sign_in())
    await begun(provider, 2)
    provider.ends["login-2"].set_exception(errors.LoginDenied("It was refused."))
    with pytest.raises(errors.LoginDenied, match="refused"):
        await asyncio.wait_for(signing, 60)


async def test_one_that_ran_out_is_followed_by_another(sign_ins: Any) -> None:
    provider = Provider(600, 600)
    signing = asyncio.create_task(sign_ins(provider).sign_in())
    await begun(provider, 1)
    provider.ends["login-1"].set_exception(errors.LoginExpired("It ran out."))
    await begun(provider, 2)
    provider.ends["login-2"].set_result("the second")
    assert await asyncio.wait_for(signing, 60) == "the second"


async def test_a_pasted_answer_goes_to_the_sign_in_that_takes_it(sign_ins: Any) -> None:
    provider = Provider(0, 600, method="code")
    provider.refused = {"login-2"}
    pasted: asyncio.Queue[str] = asyncio.Queue()
    signing = asyncio.create_task(sign_ins(provider, paste=pasted.get).sign_in())
    await begun(provider, 2)
    await pasted.put("the-code")
    assert await asyncio.wait_for(signing, 60) == "session of login-1"
    assert provider.answers == [("login-2", "the-code"), ("login-1", "the-code")], "the newest first"


async def test_a_pasted_answer_that_none_takes_is_said_and_the_next_one_waited_for(sign_ins: Any) -> None:
    provider = Provider(600, method="code")
    provider.refused = {"login-1"}
    pasted: asyncio.Queue[str] = asyncio.Queue()
    said: asyncio.Queue[Exception] = asyncio.Queue()
    signing = asyncio.create_task(sign_ins(provider, paste=pasted.get, refuse=said.put_nowait).sign_in())
    await begun(provider, 1)
    await pasted.put("wrong")
    assert isinstance(await asyncio.wait_for(said.get(), 60), errors.InvalidLoginAnswer)
    provider.refused = set()
    await pasted.put("right")
    assert await asyncio.wait_for(signing, 60) == "session of login-1"


async def test_what_was_begun_is_cancelled_once_each(sign_ins: Any) -> None:
    provider = Provider(0, 600)
    signing_in = sign_ins(provider)
    signing = asyncio.create_task(signing_in.sign_in())
    await begun(provider, 2)
    await asyncio.sleep(0)
    signing.cancel()
    await asyncio.wait([signing])
    await signing_in.give_up()
    assert provider.cancelled == ["login-1", "login-2"]
