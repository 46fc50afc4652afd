"""``manage.py e2e`` where something does not hold: it says what, cleans up, and its exit code says so."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maestro_site.e2e.plan import Plan, Step
from maestro_site.e2e.run import Run
from providers_app import conf, loop
from providers_app.behaviours.oauth import PendingLogin
from providers_app.chat import going_on
from providers_app.resilience.overlap import Seam
from sessions_app.models import AuthSession, OAuthAttempt
from tests.processes import ROOT, environment, manage, prepared
from tests.vendors.chat import vendor as chat_vendor
from tests.wire.cross import Row, Sides
from tests.wire.e2e_desk import Shell, Terminal
from tests.wire.test_e2e_command import ALL, outcomes, report, shell
from tests.wire.vendors.signing_in import settings

__all__ = ["shell"]
pytestmark = pytest.mark.django_db(transaction=True)
OPEN = ("waiting", "exchanging", "confirm")


def words(found: dict[str, Any], name: str) -> str:
    return str(next(step["message"] for step in found["steps"] if step["name"] == name))


def code_of(found: dict[str, Any], name: str) -> str | None:
    return next(step["code"] for step in found["steps"] if step["name"] == name)


@pytest.fixture
def remote(request: pytest.FixtureRequest) -> tuple[Row, Sides]:
    row = ALL["remote-api_key"]
    return row, row.sides(request)


@pytest.mark.parametrize("name", ["anthropic-api_key", "openai-api_key", "gemini-api_key", "remote-api_key"])
@pytest.mark.parametrize("fault", ["truncate", "truncate-clean", "reset", "midstream-error"])
def test_a_broken_answer_fails(name: str, fault: str, shell: Shell, request: pytest.FixtureRequest) -> None:
    row = ALL[name]
    code, out, _ = shell.e2e(row, row.sides(request), "--json", "--model", f"{row.model}-{fault}")
    found = report(out)
    held = outcomes(found)
    assert (code, found["passed"]) == (1, False)
    assert (held["streaming"], held["validation"]) == ("fail", "fail")
    assert "not complete" in words(found, "validation") and code_of(found, "streaming")
    assert held["clean-up"] == "pass" and not AuthSession.objects.exists()


@pytest.mark.parametrize(
    ("model", "step", "said"),
    [
        ("demo-instant-no-usage", "validation", "reported no usage"),
        ("demo-instant-content-filter", "validation", "content_filter"),
        ("demo-empty-200", "streaming", "before an answer began"),
        ("demo-error-429", "streaming", "too many requests"),
        ("demo-html-502", "streaming", "502"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(
    model: str, step: str, said: str, shell: Shell, request: pytest.FixtureRequest
) -> None:
    row = ALL["demo-none"]
    code, out, _ = shell.e2e(row, row.sides(request), "--json", "--model", model)
    found = report(out)
    assert code == 1 and outcomes(found)[step] == "fail"
    assert said in words(found, step).lower(), words(found, step)


def test_a_wrong_key_fails_at_once_and_is_not_kept(shell: Shell, remote: tuple[Row, Sides], monkeypatch: Any) -> None:
    row, sides = remote
    wrong = "local-key-that-nobody-made"
    monkeypatch.setenv("WRONG", wrong)
    code, out, err = shell.e2e(row, sides, "--json", "--key-env", "WRONG")
    held = outcomes(found := report(out))
    assert code == 1 and code_of(found, "authentication") == "upstream_authentication"
    assert {held[name] for name in held if name not in ("authentication", "clean-up")} == {"skip"}
    assert held["clean-up"] == "pass" and not AuthSession.objects.exists()
    assert wrong not in out + err and len(sides.ledger) == 1


def test_an_empty_list_of_models_fails(shell: Shell, remote: tuple[Row, Sides], monkeypatch: Any) -> None:
    monkeypatch.setattr(chat_vendor, "MODELS", {})
    code, out, _ = shell.e2e(*remote, "--json")
    found = report(out)
    assert code == 1 and words(found, "models") == "The provider lists no model."
    assert outcomes(found)["streaming"] == "skip" and outcomes(found)["clean-up"] == "pass"


def test_a_model_is_chosen_from_the_list(shell: Shell, remote: tuple[Row, Sides]) -> None:
    code, out, _ = shell.e2e(*remote)
    lines = out.splitlines()
    assert code == 0 and lines[-1].startswith("PASS  remote api_key: ")
    assert any(line.startswith("PASS  models") and "'local-large' is asked" in line for line in lines)
    assert any(line.startswith("SKIP  broken stream") for line in lines)


def test_a_session_of_ones_own_is_used_and_left_alone(shell: Shell, remote: tuple[Row, Sides]) -> None:
    row, sides = remote
    code, out, _ = shell.e2e(row, sides, "--json", "--keep")
    name = report(out)["session"]
    assert code == 0 and AuthSession.objects.get().name == name
    before = AuthSession.objects.values().get()
    with settings(row.provider):
        again = ("--session", name, "--json", "--owner", shell.person.username)
        code, out, err = shell.call(row, *again)
    found = report(out)
    assert code == 0 and outcomes(found)["clean-up"] == "skip", err
    after = AuthSession.objects.values().get()
    assert bytes(after["sealed_credential"]) == bytes(before["sealed_credential"])
    code, out, _ = shell.call(row, "--session", "no_such_one", "--json", "--owner", shell.person.username)
    assert code == 1 and code_of(report(out), "authentication") == "unknown_session"


def test_a_restricted_sign_in_names_the_operators_setting(shell: Shell, request: pytest.FixtureRequest) -> None:
    row = ALL["anthropic-oauth-claude"]
    row.sides(request)
    code, out, err = shell.call(row, "--flow", "claude", "--agree", "--json", "--owner", shell.person.username)
    found = report(out)
    assert code == 1 and code_of(found, "authentication") == "flow_disabled", err
    assert "MAESTRO_PROVIDERS__ANTHROPIC__ENABLED_FLOWS" in words(found, "authentication")
    assert not OAuthAttempt.objects.exists() and outcomes(found)["clean-up"] == "skip"


@pytest.mark.parametrize("name", ["openrouter-oauth-openrouter", "openai-oauth-device"])
def test_nobody_signs_in(name: str, shell: Shell, request: pytest.FixtureRequest) -> None:
    row = ALL[name]
    code, out, err = shell.e2e(row, row.sides(request), "--json", "--timeout", "0.5", answers=False)
    found = report(out)
    assert code == 1 and code_of(found, "authentication") == "login_expired"
    assert "within 0.5 s" in words(found, "authentication")
    assert len(shell.asked) == 1 and shell.asked[0] in err
    assert OAuthAttempt.objects.count() == 1 and not OAuthAttempt.objects.filter(status__in=OPEN).exists()


@pytest.mark.parametrize("name", ["openrouter-oauth-openrouter-paste_code", "openai-oauth-codex-paste_url"])
def test_an_input_that_ends_is_no_answer(name: str, shell: Shell, request: pytest.FixtureRequest) -> None:
    row = ALL[name]
    with open("/dev/null") as nothing:
        code, out, _ = shell.run(row, row.sides(request), "--json", stdin=nothing, stderr=Terminal(lambda *_: None))
    assert code == 1 and code_of(report(out), "authentication") == "invalid_request"
    assert not OAuthAttempt.objects.filter(status__in=OPEN).exists()


def course(row: Row, sides: Sides, owner: Any, show: Callable[[PendingLogin], None], paste: Any, **more: Any) -> Run:
    told: list[Step] = []
    asked = {"provider": row.provider, "auth_type": row.auth_type, "model": row.model}
    plan = Plan(owner=owner, flow=row.flow, method=row.method, agree=True, **asked, **more)
    return Run(plan, tell=told.append, show=show, refuse=lambda error: None, paste=paste)


@pytest.mark.parametrize("answered", [0, -1], ids=["the first", "the newest"])
def test_a_sign_in_is_begun_anew_while_nobody_answers_and_each_can_be_answered(
    answered: int, shell: Shell, request: pytest.FixtureRequest
) -> None:
    row = ALL["anthropic-oauth-claude"]
    sides = row.sides(request)
    shown: list[PendingLogin] = []
    third = asyncio.Event()

    def show(pending: PendingLogin) -> None:
        shown.append(pending)
        if len(shown) == 3:
            third.set()

    async def paste() -> str:
        await third.wait()
        return sides.book.approve(shown[answered].url)

    with settings(row.provider, **row.configure(sides)):
        # 600 s of life, of which so small a share is waited.
        run = course(row, sides, shell.person.pk, show, paste, renew_at=0.0005)
        found = loop.run(run.run(), 60)
    assert found.passed, found.steps
    assert len({pending.url for pending in shown}) == len(shown) >= 3
    assert OAuthAttempt.objects.filter(status="done").count() == 1
    assert not OAuthAttempt.objects.filter(status__in=OPEN).exists() and not AuthSession.objects.exists()


def test_cancelling_while_a_person_is_waited_for_leaves_nothing(shell: Shell, request: pytest.FixtureRequest) -> None:
    row = ALL["openrouter-oauth-openrouter"]
    sides = row.sides(request)

    async def cut_off() -> Any:
        shown = asyncio.Event()
        task = asyncio.ensure_future(course(row, sides, shell.person.pk, lambda pending: shown.set(), None).run())
        await shown.wait()
        task.cancel()
        return await task

    with settings(row.provider, **row.configure(sides)):
        found = loop.run(cut_off(), 60)
    assert found.interrupted and not found.passed
    assert [(step.name, step.outcome) for step in found.steps] == [("authentication", "fail"), ("clean-up", "skip")]
    assert OAuthAttempt.objects.get().status == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--timeout", "0"), "invalid_request"),
        (("--set", "nothing"), "invalid_request"),
        (("--field", "=x"), "invalid_request"),
        (("--field-file", "a=/no/such/file"), "invalid_request"),
        (("--key-env", "NO_SUCH_VARIABLE"), "invalid_credential"),
        (("--session", "x", "--key-stdin"), "invalid_request"),
        (("--owner", "nobody"), "owner_required"),
    ],
)
def test_bad_options_are_one_line(shell: Shell, arguments: tuple[str, ...], code: str) -> None:
    ended, out, err = shell.call(ALL["remote-api_key"], *arguments)
    assert (ended, out) == (1, "") and err.startswith(f"error[{code}]: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("slug", "kind", "code"), [("sginer", "api_key", "unknown_provider"), ("demo", "api_key", "invalid_request")]
)
def test_a_provider_or_auth_type_that_there_is_not(shell: Shell, slug: str, kind: Any, code: str) -> None:
    ended, out, _ = shell.call(Row(slug, kind, "m"), "--json", "--owner", shell.person.username)
    assert ended == 1 and code_of(report(out), "authentication") == code


def test_without_a_key_the_way_to_give_one_is_named(shell: Shell, remote: tuple[Row, Sides]) -> None:
    assert conf.provider("anthropic").api_key.get_secret_value() == ""
    row = ALL["anthropic-api_key"]
    ended, out, _ = shell.call(row, "--json", "--owner", shell.person.username)
    assert ended == 1 and "--key-env" in words(report(out), "authentication")


def test_ctrl_c_destroys_what_was_made(tmp_path: Path) -> None:
    prepared(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "e2e", "demo", "none", "--model", "demo-slow"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert [line[:12] for line in lines] == ["PASS  authen", "PASS  models"], process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "FAIL  streaming" in out and "PASS  clean-up" in out and "interrupted" in out
    assert "being destroyed" in err
    assert manage(tmp_path, "sessions", "list", "--json").stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("joined", "said"), [(True, "The answer did not go on."), (False, "The answer began anew instead of going on.")]
)
@pytest.mark.parametrize("name", ["anthropic-api_key", "openai-api_key", "gemini-api_key", "remote-api_key"])
def test_an_answer_that_begins_anew_has_not_been_continued(
    name: str, joined: bool, said: str, shell: Shell, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ALL[name]
    monkeypatch.setattr(going_on, "instructed", lambda chat, answered: chat)
    if not joined:
        monkeypatch.setattr(Seam, "feed", lambda seam, piece: piece)
    code, out, _ = shell.e2e(row, row.sides(request), "--json", "--model", row.model)
    found = report(out)
    assert (code, outcomes(found)["cut and continued"]) == (1, "fail")
    assert words(found, "cut and continued") == said


@pytest.mark.parametrize(
    ("limit", "code"), [("", None), ("-times-9-status-429-retry-after-ms-20", "upstream_rate_limit")]
)
@pytest.mark.parametrize("name", ["anthropic-api_key", "openai-api_key", "remote-api_key"])
def test_a_limit_that_is_none_and_one_that_stays_fail(
    name: str, limit: str, code: str | None, shell: Shell, request: pytest.FixtureRequest
) -> None:
    row = ALL[name]
    asked = ("--model", row.model, "--limited-model", row.model + limit)
    exited, out, _ = shell.e2e(row, row.sides(request), "--json", *asked)
    found = report(out)
    assert (exited, outcomes(found)["429, then answered"]) == (1, "fail")
    assert code_of(found, "429, then answered") == code
    assert code or words(found, "429, then answered").endswith("was answered at once; nothing was refused.")
