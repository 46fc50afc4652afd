"""The health of providers on Home and Settings, "Close now", and ``manage.py health``."""

import json
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse

from maestro_site.monitoring import files, publisher, rows
from maestro_site.monitoring.overview import overview
from maestro_site.monitoring.publisher import Publisher
from maestro_site.monitoring.snapshots import Minute, Snapshot
from providers_app import measures
from providers_app.dispatch.states import CircuitState, LaneState, States
from providers_app.measures import BOUNDS_S
from providers_app.resilience.breaker import BreakerState
from sessions_app.models import AuthSession, SessionEvent
from tests.web.sessions.support import messages_of, signed_in, text_of

CLOSE = reverse("settings-close-circuit")
WHY = "6 of 8 requests in 30 s failed, the last with: connection <refused>"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    measures.here.clear()
    monkeypatch.setattr(publisher, "here", Publisher())
    with override_settings(DATA_DIR=tmp_path):
        yield tmp_path / "monitoring"


@pytest.fixture
def olive(db: Any) -> User:
    return User.objects.create_superuser("olive", password="a long enough password")


@pytest.fixture
def mia(db: Any) -> User:
    return User.objects.create_user("mia", password="a long enough password")


def session(owner: User, name: str, provider: str = "remote") -> AuthSession:
    return AuthSession.objects.create(owner=owner, provider=provider, auth_type="none", name=name)


def circuit(row: AuthSession, state: BreakerState = BreakerState.OPEN, **values: Any) -> CircuitState:
    given = {"why": WHY, "requests": 8, "failures": 6, "recent": (False, True, True, False, *(True,) * 4)}
    return CircuitState(
        provider=row.provider, session=str(row.pk), model="llama-3.3", state=state, **{**given, **values}
    )


def told(*circuits: CircuitState, process: str = "web-1", hour: Any = None, lanes: Any = (), **values: Any) -> None:
    """Another process leaves what it knows."""
    now = time.time()
    given = {"process": process, "kind": "web", "started_at": now - 60, "at": now, "hour": hour or {}, **values}
    files.publish(Snapshot(states=States(tuple(lanes), circuits), **given), again=False)


def an_hour(requests: int, failures: int, bound: float = 1.5) -> list[Minute]:
    first = measures.histogram()
    first[BOUNDS_S.index(bound)] = requests - failures
    return [Minute(int(time.time() // 60), requests, failures, first)]


def card(client: Client) -> str:
    return text_of(client.get(reverse("home-providers")))


def test_a_provider_that_was_not_asked_has_no_figures(olive: User) -> None:
    session(olive, "mine")
    text = card(signed_in(olive))
    assert "Not asked yet" in text and "Figures appear after the first request." in text and "%" not in text


def test_a_provider_that_works_shows_its_errors_and_how_long_answers_take(olive: User) -> None:
    session(olive, "mine")
    told(hour={"remote": an_hour(200, 1)})
    page = signed_in(olive).get(reverse("home-providers")).content.decode()
    assert "Closed" in page and "0.5%" in page and "1.5 s" in page and "is-bad" not in page
    assert "200 requests, 1 failed in the last hour" in page and page.count('class="spark-bar"') == 1
    assert reverse("home-providers") in page, "the card asks for itself again"


def test_an_open_circuit_says_why_and_when_it_is_tried_again(olive: User) -> None:
    row = session(olive, "local_llama")
    told(
        circuit(row, next_probe_s=4.0, since_s=33.0),
        hour={"remote": an_hour(8, 6)},
        lanes=[LaneState(provider="remote", session=str(row.pk), slots=16, used=0, waiting={"batch": 2})],
    )
    page = signed_in(olive).get("/")
    text = text_of(page)
    assert "Open: 6 of 8 failed" in text and "75%" in text
    assert (
        f"local_llama / llama-3.3 : {WHY}" in text
        and "Open for 33 s, next probe in 4 s" in text
        and "2 waiting" in text
    )
    content = page.content.decode()
    assert content.count("call-bad") == 6 and content.count("call-ok") == 2
    assert "Last requests: failed" not in content and "Last requests: answered, failed" in content


def test_a_probe_under_way_is_half_open(olive: User) -> None:
    told(circuit(session(olive, "mine"), BreakerState.HALF_OPEN))
    text = card(signed_in(olive))
    assert "Half-open" in text and "a probe is under way" in text


def test_circuits_of_others_are_not_shown_at_home_and_figures_are(olive: User, mia: User) -> None:
    told(circuit(session(olive, "secret_box")), hour={"remote": an_hour(8, 6)})
    session(mia, "mine")
    text = card(signed_in(mia))
    assert "75%" in text and "secret_box" not in text and WHY not in text and "Close now" not in text


def test_who_may_not_close_a_circuit_sees_no_button_and_is_refused(olive: User, mia: User) -> None:
    row = session(mia, "mine")
    told(circuit(row))
    client = signed_in(mia)
    text = card(client)
    assert WHY in text and "Close now" not in text
    given = {"provider": "remote", "session": str(row.pk), "model": "llama-3.3"}
    assert client.post(CLOSE, given).status_code == 403 and not files.orders()
    assert Client().post(CLOSE, given).headers["Location"].startswith("/login/")
    assert signed_in(olive).get(CLOSE).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(olive)
    assert strict.post(CLOSE, given).status_code == 403 and not files.orders()


def test_close_now_orders_it_and_leaves_a_line_in_the_trail(olive: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    row = session(olive, "mine")
    told(circuit(row))
    given = {"provider": "remote", "session": str(row.pk), "model": "llama-3.3", "next": "settings"}
    done = signed_in(olive).post(CLOSE, given)
    assert done.headers["Location"] == reverse("settings") and "follow within 10 s" in messages_of(done)
    (order,) = files.orders()
    assert (order.provider, order.session, order.model) == ("remote", str(row.pk), "llama-3.3")
    event = SessionEvent.objects.get(action="circuit-closed")
    assert (event.session, event.actor, event.detail) == (row, olive, "llama-3.3")
    assert f"closed by user {olive.pk}" in caplog.text
    done = signed_in(olive).post(CLOSE, {**given, "session": str(uuid4()), "next": "//evil.example"})
    assert done.headers["Location"] == "/" and SessionEvent.objects.count() == 1, "of a session that is gone"
    assert signed_in(olive).post(CLOSE, {**given, "session": "no id"}).status_code == 404


def test_settings_show_limits_where_they_come_from_and_what_waits(olive: User, mia: User) -> None:
    mine, other = session(olive, "mine"), session(mia, "other", "openai")
    lanes = [
        LaneState(provider="remote", session=str(mine.pk), slots=12, used=3, waiting={"batch": 2},
                  change="16 to 12: the provider answered 429"),
        LaneState(provider="openai", session=str(other.pk), slots=16, used=0, waiting={}, source="learned",
                  requests_per_minute=1000, requests_left=998.4, tokens_per_minute=450_000, tokens_left=450_000),
        LaneState(provider="demo", session=str(uuid4()), slots=16, used=0, waiting={}, source="set", paused_s=17.0),
    ]  # fmt: skip
    told(circuit(mine), lanes=lanes)
    text = text_of(signed_in(olive).get(reverse("settings")))
    assert "3 of 12 2 waiting Adaptive 16 to 12: the provider answered 429" in text
    assert "other of mia" in text and "998 of 1,000 450,000 of 450,000" in text and "Learned from the provider" in text
    assert "Set in settings Paused for 17 s more" in text and "Close now" in text and WHY in text
    assert text.index("mine") < text.index("other of mia"), "what is open comes first"


def test_settings_without_any_request_say_what_will_be_there(olive: User) -> None:
    assert "No requests yet" in text_of(signed_in(olive).get(reverse("settings")))


def test_pages_say_how_far_they_see(olive: User) -> None:
    session(olive, "mine")
    assert "another data folder" not in card(signed_in(olive))
    told(process="web-1")
    told(process="worker-1", kind="worker")
    text = card(signed_in(olive))
    assert "3 processes, each with limits and circuits of its own" in text and "up to 10 s old" in text


def test_a_loop_that_does_not_answer_breaks_no_page(olive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session(olive, "mine")
    told(hour={"remote": an_hour(4, 0)})

    def late(work: Any, timeout: float) -> None:
        work.close()
        raise TimeoutError

    monkeypatch.setattr("providers_app.loop.run", late)
    assert "0.0%" in card(signed_in(olive))


def health(**options: Any) -> tuple[int, str, str]:
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("health", stdout=out, stderr=err, **options)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue(), err.getvalue()


def test_the_command_says_that_nothing_runs() -> None:
    code, out, err = health()
    assert (code, out) == (3, "") and "No server or worker" in err
    code, out, _ = health(json=True)
    assert code == 3 and json.loads(out)["status"] == "unknown"


def test_the_command_ends_with_1_while_a_circuit_is_open(olive: User) -> None:
    told(hour={"remote": an_hour(200, 1)})
    code, out, err = health()
    assert code == 0 and not err
    assert out.splitlines()[1].split() == ["remote", "closed", "200", "0.5%", "1.5", "s", "0", "0"]
    row = session(olive, "mine")
    told(circuit(row, next_probe_s=4.0), process="web-2")
    code, out, err = health()
    assert code == 1 and not err
    assert out.splitlines()[-1] == f"remote / {row.pk} / llama-3.3: {WHY}. Open for 1.0 s, next probe in 4 s."
    code, out, _ = health(json=True)
    found = json.loads(out)
    assert code == 1 and found["status"] == "degraded" and found["dispatcher"]["open_circuits"] == 1
    assert found["providers"]["remote"]["circuits"][0]["why"] == WHY


def test_the_command_without_requests() -> None:
    told()
    assert health() == (0, "No provider was asked in the last hour.\n", "")


@pytest.mark.parametrize(
    ("value", "words"), [(0.24, "240 ms"), (1.44, "1.4 s"), (12.4, "12 s"), (100, "100 s"), (180, "3 min")]
)
def test_durations_are_short(value: float, words: str) -> None:
    assert rows.seconds(value) == words


def test_an_overview_of_nothing_is_empty() -> None:
    assert overview().providers() == {}
