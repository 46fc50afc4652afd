"""Waits for a person who signs in, by listener, device code and pasted answer together.

A sign-in expires, so a new one is begun before that and its address shown; the older one takes an answer until then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from maestro_site.e2e.plan import Plan
from providers_app import errors, provider
from providers_app.behaviours.oauth import PendingLogin
from providers_app.dispatch.faults import deadline
from providers_app.ports import Session

AGAIN_S = 10.0
"""Seconds until the next try when a new sign-in could not be begun and the older one still waits."""
CANCELLING_S = 90.0
"""Seconds to wait at most for an exchange in flight, whose code is spent."""
PASTED = ("paste_code", "paste_url", "callback")

Show = Callable[[PendingLogin], None]
Refuse = Callable[[errors.ProviderError], None]
Paste = Callable[[], Awaitable[str]]
"""Returns the next pasted answer; empty when there will be no more."""


class SignIns:
    """The open sign-ins of one run, newest last."""

    def __init__(self, plan: Plan, name: str, *, show: Show, refuse: Refuse, paste: Paste | None) -> None:
        self._plan, self._name = plan, name
        self._show, self._refuse, self._paste = show, refuse, paste
        self._open: dict[str, asyncio.Task[Session]] = {}
        self._begun: list[str] = []
        self._beginning: asyncio.Task[PendingLogin] | None = None
        self._method = ""
        self._pasting: asyncio.Task[str] | None = None

    async def sign_in(self) -> Session:
        """Return the session once a sign-in succeeds. Raises ``LoginError``, ``UpstreamError``, ``InvalidRequest``."""
        seconds = self._plan.timeout_s
        try:
            async with deadline(seconds, errors.LoginExpired(f"There was no sign-in within {seconds or 0:g} s.")):
                return await self._wait()
        finally:
            for task in filter(None, (*self._open.values(), self._pasting)):
                task.cancel()

    async def give_up(self) -> None:
        """Cancel the open sign-ins, and wait for an exchange in flight, because it may create a session."""
        begun = self._begun
        if self._beginning is not None:
            await asyncio.wait([self._beginning])
            begun = begun if self._beginning.exception() else [*begun, self._beginning.result().id]
        for login_id in dict.fromkeys(begun):
            with suppress(errors.UnknownLogin, TimeoutError):
                try:
                    await provider.cancel_login(login_id, owner=self._plan.owner)
                except errors.LoginUsed:
                    async with asyncio.timeout(CANCELLING_S):
                        with suppress(errors.ProviderError):  # already reported
                            await provider.wait_login(login_id, owner=self._plan.owner)

    async def _wait(self) -> Session:
        renew = await self._begin()
        while True:
            if (session := await self._until(renew)) is not None:
                return session
            try:
                renew = await self._begin()
            except errors.UpstreamError as error:
                if error.retry is errors.Retry.NEVER or not self._open:
                    raise
                renew = time.time() + AGAIN_S

    async def _begin(self) -> float:
        """Begin a sign-in. Return when to begin the next (seconds since the epoch)."""
        plan, begun = self._plan, time.time()
        work = provider.begin_login(
            plan.provider,
            name=self._name,
            flow=plan.flow or None,
            method=plan.method or None,
            client=plan.client,
            given=plan.given,
            local_browser=plan.local_browser,
            owner=plan.owner,
        )
        # Shielded: a sign-in without a browser completes in this call, and its session must be known to be deleted.
        self._beginning = asyncio.ensure_future(work)
        pending = await asyncio.shield(self._beginning)
        self._begun.append(pending.id)
        self._method = pending.method
        self._open[pending.id] = asyncio.ensure_future(provider.wait_login(pending.id, owner=plan.owner))
        if pending.method == "direct":
            return float("inf")
        self._show(pending)
        if self._paste is None:
            self._need_no_paste()
        elif self._pasting is None and pending.method != "device":
            self._pasting = asyncio.ensure_future(self._paste())
        return begun + max(0.0, (pending.expires_at or begun) - begun) * plan.renew_at

    async def _until(self, renew: float) -> Session | None:
        """Wait for any answer; ``None`` when it is time for a new sign-in."""
        while (left := renew - time.time()) > 0 and self._open:
            waiting = {*self._open.values(), *([self._pasting] if self._pasting else [])}
            timeout = left if left != float("inf") else None
            done, _ = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for login_id in list(self._open):
                if self._open[login_id] in done and (session := self._ended(login_id)):
                    return session
            if self._pasting in done and (session := await self._pasted()):
                return session
        return None

    def _ended(self, login_id: str) -> Session | None:
        """Return the session of an ended sign-in; ``None`` for an older one that failed. Raises as the newest one."""
        newest = login_id == self._begun[-1]
        try:
            return self._open.pop(login_id).result()
        except errors.ProviderError as error:
            if newest and not isinstance(error, errors.LoginExpired):
                raise
            return None

    async def _pasted(self) -> Session | None:
        """Complete the sign-in that a pasted answer belongs to, by its state where it has one."""
        assert self._pasting is not None and self._paste is not None
        if not (answer := self._pasting.result()):
            self._pasting = self._paste = None
            self._need_no_paste()
            return None
        self._pasting = asyncio.ensure_future(self._paste())
        refused: errors.ProviderError | None = None
        for login_id in reversed(self._open):
            try:
                return await provider.complete_login(login_id, answer=answer, owner=self._plan.owner)
            except (errors.InvalidLoginAnswer, errors.LoginUsed, errors.LoginExpired) as error:
                refused = refused or error
        if refused is not None:
            self._refuse(refused)
        return None

    def _need_no_paste(self) -> None:
        if self._method in PASTED:
            hint = "Paste the code, pipe it in, or choose another --method."
            raise errors.InvalidRequest("Standard input ended before there was an answer to this sign-in.", hint=hint)
