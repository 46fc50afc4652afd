"""The outcomes at a size for every run, each wrong answer once; ``make crash`` runs them at full size."""

import subprocess
import sys

from tests.processes import ROOT
from tests.proofs.outcome_oracle import STOPPED, UNSEEN, Presentation, judge

LEASE_S = 60.0


def test_no_wrong_answer_leads_to_a_forbidden_presentation_or_a_needless_death() -> None:
    """Where libfaketime is not installed this fails and says so: without it no clock would jump."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.proofs", "outcomes", "--schedules", "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "outcomes: 7 schedules and 1 outages, 0 not as they must be"


def one(at: float, **facts: object) -> Presentation:
    """A presentation that was answered with 500 after the server had committed, as if nothing else was wrong."""
    given: dict[str, object] = {"at": at, "intent_at": at, "process": f"p{at:g}", "generation": 1, "recorded_at": at}
    given |= {"committed": False, "answer": "", "fault": "after-status", "reason": "ok", "access_ends": 100.0}
    return Presentation(**(given | facts))  # type: ignore[arg-type]


def why(*presentations: Presentation, single_use: bool = True) -> dict[int, str]:
    return judge(list(presentations), single_use=single_use, lease_s=LEASE_S).forbidden


def test_an_unknown_outcome_is_left_alone_while_the_access_token_works() -> None:
    assert why(one(0), one(70)) == {1: "an open intent, and the access token works"}
    assert why(one(0), one(130)) == {}
    assert why(one(0), one(70), single_use=False) == {}


def test_the_lease_of_an_open_intent_is_waited_for() -> None:
    assert why(one(0, access_ends=0), one(59, access_ends=0)) == {1: "before the lease of an open intent is over"}
    killed = one(0, recorded_at=None)
    assert why(killed, one(59), single_use=False) == {1: "before the lease of an open intent is over"}
    assert why(killed, one(61), single_use=False) == {}
    assert why(one(0), one(59), single_use=False) == {}, "where a token may come again, an answer settles it"


def test_a_settled_token_is_not_presented_again() -> None:
    assert why(one(0, answer="refused"), one(130)) == {1: "again after a refusal"}
    exchanged = one(0, answer="tokens", kept=True, committed=True)
    assert why(exchanged, one(130)) == {1: "again after it was exchanged"}
    assert why(exchanged, one(130, generation=2)) == {}


def test_a_lease_of_its_own_and_the_providers_time_are_kept() -> None:
    assert why(one(61, intent_at=0)) == {0: "after its own lease"}
    assert why(one(0, reason="too_early")) == {0: "before the provider allows it"}


def test_what_no_process_could_know_is_named() -> None:
    late = judge([one(61, intent_at=0, stopped=True)], single_use=True, lease_s=LEASE_S)
    assert (late.forbidden, late.named) == ({}, {0: f"after its own lease ({STOPPED})"})
    wrong = judge([one(0), one(70, begun_skew=3600.0)], single_use=True, lease_s=LEASE_S)
    assert wrong.named == {1: f"an open intent, and the access token works ({UNSEEN})"}
    early = one(59, begun_skew=3600.0)
    assert why(one(0), early) == {1: "before the lease of an open intent is over"}, "its holder lives"
    assert why(one(0, ended_at=30.0), early) == {}


def test_an_answer_that_was_accepted_and_not_stored_is_lost() -> None:
    lost = [one(0, committed=True), one(130, answer="refused")]
    assert judge(lost, single_use=True, lease_s=LEASE_S).lost == [0]
    assert judge(lost, single_use=False, lease_s=LEASE_S).lost == []
