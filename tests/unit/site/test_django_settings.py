"""What Django's settings do: headers, static files, passwords, cookies, uploads, logs; and what they take of ours."""

import importlib.util
import logging
import re
from types import ModuleType
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from maestro_site import settings as own
from maestro_site import urls

PASSWORD = "correct horse battery staple"


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ModuleType:
    """Return the settings as a process with these variables reads them."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("other_settings", own.__file__)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_every_page_has_a_policy_that_loads_nothing_from_elsewhere(client: Client, db: Any) -> None:
    answer = client.get(reverse("login"))
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert {name for name, value in policy.items() if value == "'none'"} == {
        "default-src", "base-uri", "frame-ancestors",
    }  # fmt: skip
    assert {name for name, value in policy.items() if value == "'self'"} == {
        "script-src", "style-src", "font-src", "connect-src", "form-action",
    }  # fmt: skip
    assert policy.pop("img-src") == "'self' data:" and len(policy) == 8
    assert answer["X-Frame-Options"] == "DENY" and answer["X-Content-Type-Options"] == "nosniff"


def test_static_files_come_from_their_folders_and_are_asked_for_again(client: Client) -> None:
    answer = client.get("/static/css/base.css")
    assert answer.status_code == 200 and "max-age=0" in answer["Cache-Control"]
    assert client.get("/static/admin/css/base.css").status_code == 200, "those of an app too"


@pytest.mark.parametrize(
    ("password", "fault"),
    [("x7q-r2m-k", "too_short"), ("x7q-r2m-kp", ""), ("password12", "too_common"), ("nora-king1", "too_similar")],
)
def test_a_new_password_has_ten_characters_and_is_no_common_one(password: str, fault: str) -> None:
    try:
        validate_password(password, User(username="nora-king"))
    except ValidationError as error:
        assert fault and fault in " ".join(str(each.code) for each in error.error_list)
    else:
        assert not fault


@pytest.mark.django_db
def test_the_fifth_wrong_password_is_the_last_and_a_right_one_before_it_counts_anew() -> None:
    User.objects.create_user("nora", password=PASSWORD)
    client = Client()

    def try_with(password: str) -> int:
        return client.post(reverse("login"), {"username": "nora", "password": password}).status_code

    assert [try_with("wrong") for _ in range(4)] == [200] * 4
    assert try_with(PASSWORD) == 302
    client.logout()
    assert [try_with("wrong") for _ in range(5)] == [200] * 4 + [429]
    assert try_with(PASSWORD) == 429
    assert AccessAttempt.objects.get().failures_since_start >= 5
    assert not AccessLog.objects.exists(), "the address of a sign-in may hold a token"


@pytest.mark.django_db
def test_a_browser_stays_signed_in_for_thirty_days(client: Client) -> None:
    User.objects.create_user("nora", password=PASSWORD)
    answer = client.post(reverse("login"), {"username": "nora", "password": PASSWORD})
    assert answer.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 30 * 24 * 60 * 60
    assert answer.cookies[settings.SESSION_COOKIE_NAME]["httponly"]
    assert answer["Location"] == reverse("home")
    assert client.post(reverse("logout"))["Location"].startswith(reverse("login"))
    assert client.get(reverse("home"))["Location"].startswith(reverse("login"))


def test_forms_of_sixteen_megabytes_are_read_and_larger_ones_refused(client: Client, db: Any) -> None:
    url, limit = reverse("login"), 16 * 1024 * 1024
    head = b"username=x&password="
    kind = "application/x-www-form-urlencoded"
    assert client.post(url, head + b"x" * (limit - len(head)), content_type=kind).status_code != 400
    assert client.post(url, head + b"x" * (limit - len(head) + 1), content_type=kind).status_code == 400


@pytest.mark.parametrize(
    "name", ["httpx", "aiohttp", "uvicorn", "uvicorn.access", "celery", "kombu", "asyncio", "axes", "daphne"]
)
def test_a_library_whose_lines_may_hold_a_secret_is_quiet(name: str) -> None:
    # The logger itself may be another's by now: a server that a test runs sets levels of its own.
    found = settings.LOGGING["loggers"][name]
    assert found["level"] == "WARNING" and found.get("propagate", True) and "handlers" not in found


def test_every_line_of_the_log_passes_our_format_and_filter() -> None:
    (handler,) = settings.LOGGING["root"]["handlers"]
    found = settings.LOGGING["handlers"][handler]
    assert found["formatter"] in settings.LOGGING["formatters"] and found["filters"] == ["outages"]
    for name in ("django", "django.server"):
        logger = logging.getLogger(name)
        assert logger.handlers == [] and logger.propagate and logger.level == logging.INFO
    assert not logging.getLogger("maestro.sessions").disabled


@pytest.mark.parametrize("behind", ["true", "false"])
def test_cookies_are_secure_behind_a_proxy_with_tls(monkeypatch: pytest.MonkeyPatch, behind: str) -> None:
    found = read(monkeypatch, MAESTRO_BEHIND_TLS_PROXY=behind)
    named = ("SECURE_PROXY_SSL_HEADER", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    expected = (("HTTP_X_FORWARDED_PROTO", "https"), True, True) if behind == "true" else (None, None, None)
    assert tuple(getattr(found, name, None) for name in named) == expected


@pytest.mark.parametrize(
    ("protected", "starttls", "ssl"), [("starttls", True, False), ("tls", False, True), ("none", False, False)]
)
def test_the_mail_server_is_used_as_configured(
    monkeypatch: pytest.MonkeyPatch, protected: str, starttls: bool, ssl: bool
) -> None:
    found = read(
        monkeypatch, MAESTRO_EMAIL__TLS=protected, MAESTRO_EMAIL__HOST="mail.example", MAESTRO_EMAIL__PORT="465",
        MAESTRO_EMAIL__USER="nora", MAESTRO_EMAIL__PASSWORD="p", MAESTRO_FROM_EMAIL="a@b.example",
    )  # fmt: skip
    assert (starttls, ssl) == (found.EMAIL_USE_TLS, found.EMAIL_USE_SSL)
    assert (found.EMAIL_HOST, found.EMAIL_PORT, found.EMAIL_HOST_USER) == ("mail.example", 465, "nora")
    assert (found.EMAIL_HOST_PASSWORD, found.DEFAULT_FROM_EMAIL) == ("p", "a@b.example")
    assert found.EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend"


def test_without_servers_everything_is_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, DATABASE_URL="", REDIS_URL="")
    assert found.EMBEDDED_DATABASE and not found.REDIS_URL
    assert found.CHANNEL_LAYERS["default"]["BACKEND"].endswith("InMemoryChannelLayer")
    assert found.EMAIL_BACKEND == "django.core.mail.backends.dummy.EmailBackend"
    assert len(found.SECRET_KEY) >= 50 and read(monkeypatch).SECRET_KEY == found.SECRET_KEY, "it is kept"


def test_a_redis_carries_the_news_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, REDIS_URL="redis://127.0.0.1:1/0")
    layer = found.CHANNEL_LAYERS["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert layer["CONFIG"] == {"hosts": ["redis://127.0.0.1:1/0"]}


def test_each_address_of_the_site_has_the_name_by_which_pages_lead_to_it() -> None:
    named: dict[str, str] = {}
    for pattern in urls.urlpatterns:
        if name := getattr(pattern, "name", None):
            named[name] = str(pattern.pattern)
    sources = [*(own.BASE_DIR / "templates").rglob("*.html")]
    sources += [path for app in ("sessions_app", "maestro_site") for path in (own.BASE_DIR / app).rglob("*.py")]
    text = " ".join(path.read_text() for path in sources if path.name != "urls.py")
    for_machines = {name for name, place in named.items() if name == place.strip("/")}
    assert {"healthz", "readyz"} <= for_machines
    unnamed = {name for name in named if not re.search(rf"""["']{name}["']""", text)}
    assert unnamed <= for_machines
