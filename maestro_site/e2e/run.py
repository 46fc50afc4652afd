"""Runs the steps in order and times them; what was created for the run is deleted in any case."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from maestro_site.e2e import steps
from maestro_site.e2e.plan import Failed, Plan, Report, Skipped, State, Step
from maestro_site.e2e.signing_in import Paste, Refuse, Show, SignIns
from providers_app import ports, provider
from providers_app.errors import InvalidRequest, ProviderError, UnknownSession
from providers_app.ports import Session
from sessions_app.stores.sessions import outcome_queue

STEPS: tuple[tuple[str, Callable[[Plan, State], Awaitable[str]], bool], ...] = (
    ("models", steps.list_models, False),
    ("streaming", steps.stream, True),
    ("validation", steps.validate, True),
    ("interruption", steps.interrupt, True),
    ("unknown model", steps.unknown_model, True),
    ("wrong login", steps.wrong_key, False),
    ("broken stream", steps.broken_stream, True),
    ("refresh", steps.refresh, False),
)
"""Name, function, and whether it asks a model; they follow ``authentication`` and come before ``clean-up``."""
SETTLING_S = 5.0

Tell = Callable[[Step], None]


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
        except ProviderError as error:
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
            raise InvalidRequest(f"{card.name} has no auth type {plan.auth_type!r}.", hint=f"It has: {known}.")
        if not plan.session:
            if plan.auth_type == "oauth":
                await steps.require_consent(plan)
                await self._sign_ins.sign_in()
            else:
                # Shielded: a session that is stored while the run is stopped must be known, to be deleted.
                self._making = asyncio.ensure_future(steps.create(plan, state))
                await asyncio.shield(self._making)
        return await steps.test_login(plan, state)

    async def _clean_up(self, plan: Plan, state: State) -> str:
        if plan.session:
            raise Skipped("The session is yours and was left as it is.")
        if self._making is not None:
            await asyncio.wait([self._making])
        await self._sign_ins.give_up()
        try:
            await ports.session_store().lookup(plan.owner, plan.provider, state.name, plan.auth_type)
        except UnknownSession:
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
