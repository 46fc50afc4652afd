"""Home in its states, the demo, and that the pages of signing in, errors and the admin render."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from context_app.models import Context, Stream, Turn
from maestro_site import health, home
from sessions_app.models import AuthSession, Notice


@pytest.fixture
def nora(db: None) -> User:
    return User.objects.create_user(
        "nora", password="correct horse battery staple", first_name="Nora", last_name="Keller"
    )


@pytest.fixture
def page(client: Client, nora: User) -> Client:
    client.force_login(nora)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_fresh_installation_offers_the_first_steps(page: Client) -> None:
    answer = page.get("/")
    text = text_of(answer)
    assert answer.status_code == 200
    assert "Welcome, Nora. Maestro is running." in text
    assert f'{reverse("sessions:connect")}?provider=demo"' in text
    assert 'action="/try-demo/"' in text
    assert "Database ready" in text


def test_home_shows_what_needs_a_person_first_and_only_ones_own(page: Client, nora: User) -> None:
    other = User.objects.create_user("mallory")
    AuthSession.objects.create(owner=other, provider="demo", auth_type="none", name="not_yours")
    Context.objects.create(owner=other, title="Not your chat")
    for at in range(5):
        AuthSession.objects.create(owner=nora, provider="demo", auth_type="none", name=f"fine_{at}")
    AuthSession.objects.create(
        owner=nora,
        provider="openai",
        auth_type="api_key",
        name="laptop_gpt",
        status="needs_reauth",
        status_reason="<Refused>",
    )
    stream = Stream.objects.create(owner=nora, state="interrupted", heartbeat_at=timezone.now())
    Turn.objects.create(context=Context.objects.create(owner=nora, title="Terraform <lock>"), stream=stream)
    text = text_of(page.get("/"))
    assert text.index("laptop_gpt") < text.index("fine_0")
    assert "&lt;Refused&gt;" in text
    assert "Terraform &lt;lock&gt;" in text
    assert "Interrupted, can continue" in text
    assert "not_yours" not in text
    assert "Not your chat" not in text
    assert '<span class="nav-badge"' in text


def test_home_counts_and_orders_what_it_shows(page: Client, nora: User) -> None:
    def session(name: str, **values: Any) -> AuthSession:
        return AuthSession.objects.create(owner=nora, provider="openai", auth_type="api_key", name=name, **values)

    now = timezone.now()
    soon = now + timedelta(seconds=30)
    session("off", status="disabled")
    session("fine")
    session("used", last_used_at=now)
    session("ends_soon", expires_at=soon)
    session("limited", limited_until=soon)
    session("away", last_error_code="connection_failed")
    session("ended", expires_at=now - timedelta(days=1))
    session("forbidden", status="forbidden")
    lost = session("lost", status="needs_reauth")
    for at in range(5):
        Notice.objects.create(owner=nora, session=lost, key=str(at), kind="x", title=f"Notice {at}")
        Context.objects.create(owner=nora, title=f"Chat {at}")
    Context.objects.create(owner=nora, title="Later", model="gpt-x", session=lost)
    Context.objects.create(owner=nora, title="Put away", archived_at=now)
    found = page.get("/").context
    assert [row["session"].name for row in found["rows"]] == ["lost", "forbidden", "ended", "away"]
    AuthSession.objects.filter(name__in=("lost", "forbidden", "ended", "away")).update(status="disabled")
    assert [row["session"].name for row in home.session_rows(nora.pk)] == ["limited", "ends_soon", "used", "fine"]
    counts = found["counts"]
    assert (counts["all"], counts["active"], found["soon"], counts["attention"]) == (9, 2, 3, 3)
    assert (len(found["notices"]), found["hidden"]) == (3, 2)
    assert [chat.title for chat in found["chats"]] == ["Later", "Chat 4", "Chat 3", "Chat 2", "Chat 1"]
    (row,) = found["providers"]
    assert (row["slug"], row["monogram"], row["sessions"], row["problem"]) == ("openai", "Oa", 9, "")


def test_every_state_has_its_place(nora: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "ROWS_SHOWN", 99)
    now = timezone.now()
    soon, long_ago = now + timedelta(seconds=30), now - timedelta(days=1)
    states: dict[str, dict[str, Any]] = {
        "active": {},
        "expiring": {"expires_at": soon},
        "limited": {"limited_until": soon},
        "failing": {"next_refresh_at": long_ago},
        "unknown": {"refresh_error_code": "x", "intent_generation": 0},
        "unreachable": {"last_error_code": "connection_failed"},
        "retrying": {"expires_at": long_ago, "refresh_error_code": "x", "next_refresh_at": soon},
        "refused": {"last_error_code": "upstream_authentication"},
        "expired": {"expires_at": long_ago},
        "misconfigured": {"status": "misconfigured"},
        "forbidden": {"status": "forbidden"},
        "needs_reauth": {"status": "needs_reauth"},
    }
    for name, values in states.items():
        AuthSession.objects.create(owner=nora, provider="openai", auth_type="oauth", name=name, **values)
    assert [row["session"].name for row in home.session_rows(nora.pk)] == [*reversed(states)]


def test_what_does_not_work_is_told_at_home(page: Client, nora: User, monkeypatch: pytest.MonkeyPatch) -> None:
    Context.objects.create(owner=nora)
    checks = [
        health.Check(name, name in ("database", "disk", "key ring"), "seen 50 s ago") for name in home._CHECK_WORDS
    ]
    monkeypatch.setattr(health, "readiness", lambda: checks)
    told = [(fact.name, fact.detail) for fact in page.get("/").context["broken"]]
    assert told == [(name, "last seen 50 s ago") for name in ("Queue", "Worker", "Schedule")]
    facts = [(fact.name, fact.detail) for fact in home.installation() if fact.ok]
    assert facts == [
        ("Encryption key made", "keep a copy of it"),
        ("Database ready", "seen 50 s ago"),
        ("Disk ready", "seen 50 s ago"),
    ]


def test_home_asks_the_database_a_bounded_number_of_times(
    page: Client, nora: User, django_assert_max_num_queries: Any
) -> None:
    for at in range(40):
        session = AuthSession.objects.create(owner=nora, provider="demo", auth_type="none", name=f"session_{at}")
        stream = Stream.objects.create(owner=nora, state="complete", heartbeat_at=timezone.now())
        Turn.objects.create(
            context=Context.objects.create(owner=nora, title=f"Chat {at}", session=session), stream=stream
        )
    page.get("/")
    with django_assert_max_num_queries(18):
        assert page.get("/").status_code == 200


def test_a_provider_whose_package_is_gone_is_named(page: Client, nora: User) -> None:
    AuthSession.objects.create(owner=nora, provider="acme", auth_type="api_key", name="left_behind")
    text = text_of(page.get("/"))
    assert "Does not load" in text
    assert "Its package is not installed any more." in text


def test_try_the_demo_makes_one_session_and_opens_a_chat(page: Client, nora: User) -> None:
    first = page.post("/try-demo/")
    context = Context.objects.get(owner=nora)
    assert first.status_code == 302
    assert first.headers["Location"] == reverse("chats:detail", args=[context.pk])
    assert context.session is not None
    assert (context.session.provider, context.session.name) == ("demo", "try_demo")
    assert context.model
    page.post("/try-demo/")
    assert AuthSession.objects.filter(owner=nora).count() == 1


def test_try_the_demo_goes_round_a_session_that_is_switched_off(page: Client, nora: User) -> None:
    AuthSession.objects.create(owner=nora, provider="demo", auth_type="none", name="try_demo", status="disabled")
    assert page.post("/try-demo/").status_code == 302
    assert AuthSession.objects.filter(owner=nora, provider="demo", status="active").count() == 1


def test_the_demo_is_started_by_a_post_of_somebody_signed_in(client: Client, page: Client) -> None:
    assert page.get("/try-demo/").status_code == 405
    page.logout()
    assert client.post("/try-demo/").headers["Location"].startswith("/login/")


def test_every_page_carries_its_title_its_policy_and_the_csrf_token(page: Client) -> None:
    for address in ("/", reverse("account"), reverse("sessions:list"), reverse("chats:list")):
        answer = page.get(address, follow=True)
        text = text_of(answer)
        assert answer.status_code == 200, address
        assert re.search(r"<title>\S.* · Maestro</title>", text), address
        assert '"allowEval":false' in text
        assert re.search(r"""hx-headers='\{"X-CSRFToken": "\w+"\}'""", text), address
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_the_account_page_lists_this_browser_and_explains_a_missing_password(page: Client, nora: User) -> None:
    nora.set_unusable_password()
    nora.save()
    page.force_login(nora)
    page.get("/")
    text = text_of(page.get(reverse("account")))
    assert "Set password" in text
    assert "manage.py welcome" in text
    assert "This one" in text


@pytest.mark.django_db
def test_a_wrong_password_is_told_beside_the_form_and_nothing_typed_comes_back(client: Client, nora: User) -> None:
    text = text_of(client.post("/login/", {"username": "nora", "password": "guess-xyzzy"}))
    assert 'role="alert"' in text
    assert "guess-xyzzy" not in text
    assert 'autocomplete="current-password"' in text


@pytest.mark.parametrize("template", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_an_error_page_needs_no_context(template: str) -> None:
    text = render_to_string(template)
    assert "<h1>" in text
    assert "Go to Home" in text


@pytest.mark.django_db
def test_a_missing_page_says_so_in_our_own_words(client: Client) -> None:
    answer = client.get("/nothing-here/")
    assert answer.status_code == 404
    assert "There is nothing here" in text_of(answer)


def test_the_admin_wears_the_mark(client: Client, nora: User) -> None:
    nora.is_staff = nora.is_superuser = True
    nora.save()
    client.force_login(nora)
    text = text_of(client.get("/admin/"))
    assert "Maestro admin" in text
    assert "css/admin.css" in text


def test_home_has_no_card_without_data(page: Client, nora: User) -> None:
    AuthSession.objects.create(owner=nora, provider="demo", auth_type="none", name="mine")
    text = text_of(page.get("/"))
    titles = re.findall(r'<h2 class="card-title" id="[^"]+">([^<]+)</h2>', text)
    assert titles == ["Session health", "Provider health", "Recent chats"]
    assert "No usage" not in text and "once requests are recorded" not in text
    AuthSession.objects.all().delete()
    Context.objects.create(owner=nora, title="A chat")
    assert ">Provider health</h2>" not in text_of(page.get("/"))
