"""One schedule of the proof of outcomes, played against a server and judged."""

from itertools import cycle
from typing import Any

from tests.proofs import outcome_oracle as oracle
from tests.proofs.crash_worker import DURING_POST
from tests.proofs.installation import stored_access
from tests.proofs.outcome_machine import OVER_S, Machine, Result, Seen
from tests.proofs.outcome_schedule import ANSWERS, HOUR_S, LEASE_S, Turn, fault_of, timeout_of
from tests.proofs.outcome_worker import CHECKED, PROCESS

AGES_S = 4 * HOUR_S
"""Longer than any access token, back-off or wrong clock lasts."""
SETTLES_IN = 4


class Run(Machine):
    """Plays a schedule on a machine, and compares what is shown with the truth."""

    def play_all(self) -> Result:
        if self.plan.outage_s:
            self._outage(self.plan.outage_s)
        for turn in self.plan.turns:
            self._turn(turn)
        self._settle()
        self._judge()
        return self.result

    def _outage(self, seconds: float) -> None:
        """The endpoint commits nothing for so long and answers in every wrong way."""
        # A late answer is left out: what arrives in time at the server is committed, however late it is answered.
        ends, answers = self.now() + seconds, cycle(answer for answer in ANSWERS if answer != "late")
        while self.now() < ends:
            self._answer_with((next(answers), "before"))
            self.play(({"do": "schedule"},))
            row = self._row()
            if row.next_refresh_at is None:
                break
            self.let_pass(max(row.next_refresh_at.timestamp() + 1 - self.now(), 1.0))

    def _turn(self, turn: Turn) -> None:
        self._wait(turn.wait)
        if turn.revoked and not self.revoked:
            self._revoke()
        if any(step["do"] == "unauthorized" for step in (*turn.first, *turn.second)):
            self._end_access()
        self._answer_with(turn.answer)
        played = self.play(turn.first, turn.second, wakes_last=turn.wakes_last)
        for seen in played:
            self._look_at(seen)
        if turn.set_right:
            self.set_right()

    def _answer_with(self, answer: tuple[str, str] | None) -> None:
        """Let the server answer the next request so, and every other one well."""
        self.book.faults.clear()
        if answer is not None:
            self.book.faults.append(fault_of(answer))
        self.timeout = timeout_of(answer)

    def _wait(self, wait: str) -> None:
        row = self._row()
        match wait:
            case "next try" if row.next_refresh_at:
                self.let_pass(row.next_refresh_at.timestamp() + 1 - self.now() - self.skew)
            case "lease":
                self.let_pass(OVER_S)
            case "access":
                ends = row.expires_at.timestamp() if row.expires_at else 0.0
                self.let_pass(ends + 5 - self.now() - self.skew)

    def _row(self) -> Any:
        from sessions_app.models import AuthSession

        return AuthSession.objects.get(pk=self.login.session.pk)

    def _end_access(self) -> None:
        """The provider ends the access token before its time."""
        found = self.book.accesses.get(stored_access(self.login.session))
        if found is not None and found.expires_at > self.now():
            self.ends[found.generation] = self.now()
            found.expires_at = 0.0

    def _revoke(self) -> None:
        self.revoked = True
        for found in self.book.accesses.values():
            if found.family == self.login.first.family and found.expires_at > self.now():
                self.ends.setdefault(found.generation, self.now())
        self.book.burn(self.login.first.family, "revoked_by_its_owner")

    def _look_at(self, seen: Seen) -> None:
        """What a process saw and said at its end must be true."""
        self.result.log.append(f"{seen.name} {[_short(event) for event in seen.events]}")
        shown = next((step for step in seen.of("step") if step["do"] == "look"), None)
        if shown is None or len(self.skews) > 1 or self.processes[-1].ended != max(p.ended for p in self.processes):
            return
        works = self._works()
        if shown["status"] == "needs_reauth" and self._alive():
            self.result.wrong.append(f"{seen.name}: shown as dead, and the provider would refresh it")
        if shown["label"] == "Active" and not works and self._knows(seen):
            self.result.wrong.append(f"{seen.name}: shown as Active, and its access has ended")
        for step in seen.of("step"):
            if step["do"] == "command" and step["code"] == 0 and not works and self._knows(seen):
                self.result.wrong.append(f"{seen.name}: exit code 0, and its access has ended: {step['said'][:300]}")

    def _knows(self, seen: Seen) -> bool:
        """An access token that the provider ended before its time is known by its refusal alone."""
        found = self.book.accesses.get(stored_access(self.login.session))
        return found is not None and found.generation not in self.ends

    def _works(self) -> bool:
        found = self.book.accesses.get(stored_access(self.login.session))
        return found is not None and not found.revoked and found.expires_at > self.now()

    def _alive(self) -> bool:
        """Would the provider accept what is stored for a refresh?"""
        if self.plan.flow.rotation == "minted":
            return True
        from sessions_app import credentials

        tokens = credentials.open_tokens(self._row())
        found = self.book.refreshes.get(tokens.refresh.reveal()) if tokens else None
        return found is not None and not found.spent and not self.book.families[found.family].burned

    def _settle(self) -> None:
        """The server is well and the clock is right: after a while the schedule has settled everything."""
        self.set_right()
        self._answer_with(None)
        self.let_pass(AGES_S)
        for _ in range(SETTLES_IN):
            self.play(({"do": "schedule"},))
            row = self._row()
            if row.status == "needs_reauth" or (row.expires_at and row.expires_at.timestamp() > self.now()):
                break
            self.let_pass(AGES_S)
        else:
            self.result.wrong.append("it does not settle")
        last = self.play(({"do": "command"}, {"do": "look"}, {"do": "page"}))[0]
        self.result.log.append(f"{last.name} {[_short(event) for event in last.events]}")
        steps = {step["do"]: step for step in last.of("step")}
        if set(steps) != {"command", "look", "page"}:
            self.result.wrong.append("the last process did not come to its end")
            return
        self._last_words(steps)

    def _last_words(self, steps: dict[str, dict[str, Any]]) -> None:
        self.result.dead = dead = not self._alive()
        shown, page, code = steps["look"], steps["page"], steps["command"]["code"]
        if dead:
            true = shown["status"] == "needs_reauth" and shown["way_on"] == "Sign in again" and shown["notice"]
            true = true and page["dead"] and page["sign_in"] and not page["active"] and code == 1
        else:
            true = shown["status"] == "active" and shown["label"] == "Active" and self._works()
            true = true and page["active"] and not page["dead"] and code == 0
        if not true or page["http"] != 200:
            self.result.wrong.append(f"{'dead' if dead else 'alive'} in truth, and shown: {steps}")
        self.reason = shown["reason"]

    # The ledger

    def _judge(self) -> None:
        result, flow = self.result, self.plan.flow
        result.presentations = sorted(self._presentations(), key=lambda one: one.at)
        single_use = flow.rotation == "single use"
        result.slow |= any(seen.of("failed") and not (seen.of("sends") or seen.of("stops")) for seen in self.processes)
        found = result.judgement = oracle.judge(result.presentations, single_use=single_use, lease_s=LEASE_S)
        lost = [result.presentations[number] for number in found.lost]
        named = bool(found.named)
        refusable = flow.rotation != "minted"
        result.expected = bool(lost or (self.revoked and refusable) or (named and result.dead))
        for number, why in found.forbidden.items():
            result.wrong.append(f"presentation {number + 1}: {why}")
        if result.dead and not result.expected:
            result.wrong.append("it died, and need not have")
        if not result.dead and result.expected:
            result.wrong.append("it lives, and the oracle says that it cannot")
        reason = getattr(self, "reason", "")
        # Ended by its owner while an intent was open: no process can tell that from a lost answer.
        if reason == "answer_lost" and not (lost or named or self.revoked):
            result.wrong.append("answer_lost, and no answer was lost")
        if result.dead and lost and not self.revoked and reason != "answer_lost":
            result.wrong.append(f"an answer was lost, and the reason is {reason!r}")

    def _presentations(self) -> list[oracle.Presentation]:
        by_name = {seen.name: seen for seen in self.processes}
        stored: dict[int, float] = {self.login.first.generation: 0.0}
        for seen in self.processes:
            for kept in seen.of("kept"):
                stored[self._generation_after(seen, kept)] = self.skew_at(kept["at"])
        found = []
        for spend in tuple(self.book.ledger):
            sender = by_name.get(spend.entry.headers.get(PROCESS, "") if spend.entry else "")
            if sender is not None and spend.entry is not None:
                late = any(event["event"] == "no answer" and event["at"] > spend.entry.at for event in sender.events)
                self.result.slow |= late and not spend.fault and not sender.of("stops")
                found.append(self._presentation(spend, sender, stored))
        return found

    def _generation_after(self, seen: Seen, kept: dict[str, Any]) -> int:
        return int(kept["generation"]) + self.login.first.generation

    def _presentation(self, spend: Any, seen: Seen, stored: dict[int, float]) -> oracle.Presentation:
        arrived = spend.entry.at
        before = [event for event in seen.of("intent") if event["begun"] <= arrived]
        intent = before[-1]["begun"] if before else arrived
        sends = [event["at"] for event in seen.of("sends")]
        until = next((at for at in sends if at > arrived), float("inf"))
        mine = [event for event in seen.events if arrived <= event["at"] < until]
        recorded = next((event for event in mine if event["event"] in ("kept", "failed")), None)
        whole = any(event["event"] == "answer" for event in mine)
        distorted = spend.fault not in ("", "before-delay", "after-delay")
        answer = "" if distorted or not whole else "tokens" if spend.accepted else "refused"
        generation = spend.generation or self.login.first.generation
        stopped = any(
            intent <= event["at"] <= arrived and event["point"] in (CHECKED, DURING_POST)
            for event in seen.of("goes on")
        )
        return oracle.Presentation(
            at=self.true(arrived),
            process=seen.name,
            generation=generation,
            committed=spend.accepted,
            answer=answer,
            fault=spend.fault,
            reason=spend.reason,
            intent_at=self.true(intent),
            recorded_at=self.true(recorded["at"]) if recorded else None,
            kept=bool(recorded and recorded["event"] == "kept"),
            stopped=stopped,
            access_ends=self._access_end(generation),
            ended_at=self.true(seen.ended) if seen.ended != float("inf") else seen.ended,
            begun_skew=seen.begun_skew,
            intent_skew=self.skew_at(intent),
            stored_skew=stored.get(generation, 0.0),
        )

    def _access_end(self, generation: int) -> float:
        """When the access token of this generation ended in truth."""
        family = self.login.first.family
        times = [
            each.expires_at
            for each in tuple(self.book.accesses.values())
            if each.family == family and each.generation == generation and each.expires_at
        ]
        times += [self.ends[generation]] if generation in self.ends else []
        return min(times, default=0.0)


def _short(event: dict[str, Any]) -> str:
    facts = {key: value for key, value in event.items() if key not in ("id", "event", "number", "pid")}
    at = facts.pop("at", 0.0)
    return f"{at:.2f} {event['event']} {facts or ''}".strip()
