"""Runs the steps in order and times them; what was created for the run is deleted in any case.

A person who has to sign in is waited for by listener, device code and pasted answer together. A sign-in expires, so a
new one is begun before that and its address shown; the older one takes an answer until then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

from maestro_site.e2e import recovery, steps
from maestro_site.e2e.plan import Failed, Plan, Report, Skipped, State, Step
from providers_app import errors, ports, provider
from providers_app.behaviours.oauth import PendingLogin
from providers_app.dispatch.faults import deadline
from providers_app.ports import Session
from providers_app.types.advice import Advice
from sessions_app.stores.sessions import outcome_queue

STEPS: tuple[tuple[str, Callable[[Plan, State], Awaitable[str]], bool], ...] = (
    ("models", steps.list_models, False),
    ("streaming", steps.stream, True),
    ("validation", steps.validate, True),
    ("interruption", steps.interrupt, True),
    ("unknown model", steps.unknown_model, True),
    ("wrong login", steps.wrong_key, False),
    ("broken stream", steps.broken_stream, True),
    ("cut and continued", recovery.cut_and_continued, True),
    ("429, then answered", recovery.retried, True),
    ("refresh", steps.refresh, False),
)
"""Name, function, and whether it asks a model; they follow ``authentication`` and come before ``clean-up``."""
SETTLING_S = 5.0
AGAIN_S = 10.0
"""Seconds until the next try when a new sign-in could not be begun and the older one still waits."""
CANCELLING_S = 90.0
"""Seconds to wait at most for an exchange in flight, whose code is spent."""
PASTED = ("paste_code", "paste_url", "callback")

Tell = Callable[[Step], None]
Show = Callable[[PendingLogin], None]
Refuse = Callable[[errors.ProviderError], None]
Paste = Callable[[], Awaitable[str]]
"""Returns the next pasted answer; empty when there will be no more."""


class Run:
    """One run. ``tell`` is called with each step as it ends; the other three are those of ``SignIns``."""

    def __init__(self, plan: Plan, *, tell: Tell, show: Show, refuse: Refuse, paste: Paste | None = None) -> None:
        self._plan, self._tell = plan, tell
        name = plan.session or f"e2e-{uuid4().hex[:12]}"
        self._report = Report(plan, State(name))
        self._sign_ins = SignIns(plan, name, show=show, refuse=refuse, paste=paste)
        self._making: asyncio.Task[Session] | None = None

    async def run(self) -> Report:
        """Run all steps and return the report; cancelling ends the running step, and still cleans up and reports."""
        try:
            signed_in = await self._step("authentication", self._authenticate)
            for name, step, asks in STEPS:
                answerable = self._report.state.model or not asks
                why_not = "" if answerable else "There is no model to ask; --model names one."
                await self._step(name, step, why_not=why_not if signed_in else "There is no login to do it with.")
        except asyncio.CancelledError:
            self._report.interrupted = True
            if task := asyncio.current_task():
                task.uncancel()
        finally:
            await self._step("clean-up", self._clean_up)
        return self._report

    async def _step(self, name: str, work: Callable[[Plan, State], Awaitable[str]], *, why_not: str = "") -> bool:
        """Run one step and report it. Return True when it passed."""
        begun = time.monotonic()
        outcome, words, code = "fail", "It was cut off.", ""
        try:
            if why_not:
                raise Skipped(why_not)
            words = await work(self._plan, self._report.state)
            outcome = "pass"
        except Skipped as reason:
            outcome, words = "skip", str(reason)
        except Failed as error:
            words, code = str(error), error.code
        except errors.ProviderError as error:
            info = error.info()
            words, code = " ".join(part for part in (info.message, info.hint) if part), info.code
        finally:
            step = Step(name, outcome, time.monotonic() - begun, words, code)  # type: ignore[arg-type]
            self._report.steps.append(step)
            self._tell(step)
        return outcome == "pass"

    async def _authenticate(self, plan: Plan, state: State) -> str:
        card = steps.card_of(plan.provider)
        if plan.auth_type not in card.auth_types:
            known = ", ".join(card.auth_types)
            raise errors.InvalidRequest(f"{card.name} has no auth type {plan.auth_type!r}.", hint=f"It has: {known}.")
        advice: tuple[Advice, ...] = ()
        if not plan.session:
            if plan.auth_type == "oauth":
                await steps.require_consent(plan)
                await self._sign_ins.sign_in()
            else:
                # Shielded: a session that is stored while the run is stopped must be known, to be deleted.
                self._making = asyncio.ensure_future(steps.create(plan, state))
                advice = (await asyncio.shield(self._making)).advice
        return " ".join((await steps.test_login(plan, state), *(item.message for item in advice)))

    async def _clean_up(self, plan: Plan, state: State) -> str:
        if plan.session:
            raise Skipped("The session is yours and was left as it is.")
        if self._making is not None:
            await asyncio.wait([self._making])
        await self._sign_ins.give_up()
        try:
            await ports.session_store().lookup(plan.owner, plan.provider, state.name, plan.auth_type)
        except errors.UnknownSession:
            raise Skipped("Nothing was stored.") from None
        if plan.keep:
            raise Skipped(f"The session '{state.name}' is kept, as you asked.")
        # Written before the session is deleted.
        await asyncio.to_thread(outcome_queue.flush, SETTLING_S)
        ended = ""
        try:
            if plan.auth_type == "oauth":
                ended = " The provider has no way to end a login from here: end it on its own page."
                if await provider.revoke_session(plan.provider, state.name, owner=plan.owner):
                    ended = " Its login is ended at the provider."
        finally:
            await provider.delete_session(plan.provider, plan.auth_type, state.name, owner=plan.owner)
        return f"The session '{state.name}' is deleted.{ended}"


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
