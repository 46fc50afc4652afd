"""A planted key is looked for in every place where something can leave: pages, admin, commands, logs, files, database.

The places are enumerated (URL conf, admin registry, log handlers, data folder, database bytes), so that a new page or
file is covered without touching this test. Each kind of place also gets a planted leak that the search must find.
"""

import base64
import io
import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from providers_app import loop, provider
from providers_app.errors import ProviderError
from providers_app.types.credentials import Credential, Secret
from sessions_app import crypto
from sessions_app.models import AuthSession
from tests.echo import EchoServer

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "violet-canary-7Qz9" + "Vt2LmX4pRb8Kd1Wy6"


def forms_of(secret: str) -> dict[str, bytes]:
    """The shapes in which a secret could hide."""
    raw = secret.encode()
    return {
        "plain": raw,
        "the distinctive half": raw[len(raw) // 2 :],
        "base64": base64.b64encode(raw).rstrip(b"=")[:-1],
        "hex": raw.hex().encode(),
        "percent": quote(secret, safe="").encode(),
        "utf-16": secret.encode("utf-16-le"),
    }


def found(data: bytes, secret: str = CANARY) -> list[str]:
    return [name for name, form in forms_of(secret).items() if form in data]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What every configured handler would write with MAESTRO_LOG_LEVEL=DEBUG, in the configured format."""
    text = io.StringIO()
    handlers = [handler for logger in all_loggers() for handler in logger.handlers]
    copies: list[tuple[logging.Logger, logging.Handler, int]] = []
    formatters = [handler.formatter for handler in handlers] or [None]
    root = logging.getLogger()
    for formatter in formatters:
        copy = logging.StreamHandler(text)
        copy.setFormatter(formatter)
        copies.append((root, copy, root.level))
        root.addHandler(copy)
    root.setLevel(logging.DEBUG)
    yield text
    for logger, copy, level in copies:
        logger.removeHandler(copy)
        logger.setLevel(level)


def all_loggers() -> list[logging.Logger]:
    named = [item for item in logging.Logger.manager.loggerDict.values() if isinstance(item, logging.Logger)]
    return [logging.getLogger(), *named]


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    """A provider that repeats the key."""
    with EchoServer() as server:
        yield server


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("owner", password="a long enough password")


@pytest.fixture
def session(owner: User, echo: EchoServer, loopback_allowed: None) -> AuthSession:
    credential = Credential(auth_type="api_key", secret=Secret(CANARY), base_url=echo.base_url)
    made = loop.run(
        provider.create_session(
            "remote", "api_key", name="canary_session", api_key=CANARY, base_url=credential.base_url, owner=owner.pk
        ),
        timeout=20,
    )
    return AuthSession.objects.get(pk=made.id)


def addresses(owner: User, session: AuthSession) -> Iterator[str]:
    """Every address of the URL conf, with ids of things that exist where it wants one."""
    yield from sorted(set(walk(get_resolver(), "/", session)))


def walk(resolver: URLResolver, prefix: str, session: AuthSession) -> Iterator[str]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from walk(entry, prefix + str(entry.pattern), session)
        elif isinstance(entry, URLPattern):
            for value in (str(session.pk), str(uuid.uuid4()), "1", "x"):
                try:
                    yield fill(prefix + str(entry.pattern), value)
                except LookupError:
                    continue


def fill(route: str, value: str) -> str:
    out = ""
    while "<" in route:
        before, _, rest = route.partition("<")
        kind, _, route = rest.partition(">")
        if (kind.startswith("uuid") and len(value) != 36) or (kind.startswith("int") and not value.isdigit()):
            raise LookupError
        out += before + value
    route = out + route
    return route.replace("^", "").replace("$", "") if "(?P" not in route else "/"


def visit_everything(client: Client, owner: User, session: AuthSession) -> Iterator[tuple[str, bytes]]:
    for address in addresses(owner, session):
        if "logout" in address or "events" in address:
            continue
        answer = client.get(address)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[arg-type]
        yield f"GET {address}", body + repr(answer.headers).encode() + str(client.cookies).encode()
    for model, options in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield f"GET {base}", client.get(base).content
        yield f"search {base}", client.get(base, {"q": CANARY[-8:]}).content.replace(CANARY[-8:].encode(), b"")
        for row in model._default_manager.all()[:3]:
            for page in ("change", "history", "delete"):
                yield f"GET {base}{row.pk}/{page}/", client.get(f"{base}{row.pk}/{page}/").content
        for name in options.get_actions(request_of(owner)):
            data = {"action": name, "_selected_action": [str(row.pk) for row in model._default_manager.all()[:3]]}
            if name in {"delete_selected", "disable"}:
                continue
            yield f"action {base}{name}", client.post(base, data, follow=True).content


def request_of(owner: User) -> Any:
    from django.test import RequestFactory

    request = RequestFactory().get("/admin/")
    request.user = owner
    return request


def files() -> Iterator[tuple[str, bytes]]:
    for path in sorted(Path(settings.DATA_DIR).rglob("*")):
        if path.is_file():
            yield f"file {path.relative_to(settings.DATA_DIR)}", path.read_bytes()


def database() -> Iterator[tuple[str, bytes]]:
    """Every value of every table, and the bytes of the file with its journal."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                values = [bytes(value) if isinstance(value, memoryview) else value for value in row]
                yield f"table {table}", b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values)
    name = str(connection.settings_dict["NAME"])
    for path in (Path(name), Path(f"{name}-wal")):
        if path.is_file():
            yield f"database {path.name}", path.read_bytes()


def use_it(session: AuthSession, owner: User, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, bytes]]:
    """Ways in which the key is used and its use fails, and what they print."""
    with provider.acting_as(owner.pk):
        for action in (
            lambda: provider.test_session("remote", "api_key", session.name),
            lambda: provider.list_models("remote", "api_key", session.name, refresh=True),
            lambda: provider.complete_chat("remote", session.name, "hello", model="m"),
            lambda: provider.preview_request("remote", session.name, "hello", model="m"),
            lambda: provider.count_tokens("remote", session.name, "hello", model="m"),
        ):
            try:
                answer: object = loop.run(action(), timeout=60)
            except ProviderError as error:
                logging.getLogger("test").exception("failed")
                answer = (str(error), repr(error), error.info(), error.hint, error.__cause__, vars(error))
            yield "python", repr(answer).encode() + str(answer).encode()
    commands: list[list[str]] = [
        ["sessions", "list", "--json"],
        ["sessions", "list"],
        ["models", session.name],
        ["models", session.name, "--json"],
        ["chat", session.name, "hello", "--model", "m", "--json"],
        ["chat", session.name, "hello", "--model", "m"],
    ]
    for command in commands:
        try:
            call_command(*command)
        except (SystemExit, Exception) as error:
            yield f"manage.py {' '.join(command)} raised", f"{error!r} {error}".encode()
        printed = capsys.readouterr()
        yield f"manage.py {' '.join(command)}", (printed.out + printed.err).encode()


def test_the_canary_is_in_no_sink(
    owner: User,
    session: AuthSession,
    echo: EchoServer,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    client: Client,
) -> None:
    client.force_login(owner)
    leaks: list[str] = []
    looked = 0
    for place, data in [
        *use_it(session, owner, capsys),
        *visit_everything(client, owner, session),
        *files(),
        *database(),
    ]:
        looked += 1
        leaks += [f"{place}: {form}" for form in found(data)]
    leaks += [f"log: {form}" for form in found(log.getvalue().encode())]
    assert looked > 60, "the walk itself is broken"
    assert echo.answered >= 8, "the key was not used, so it could not be repeated"
    assert "not welcome here" in AuthSession.objects.get(pk=session.pk).last_error, "the repeated key's message is kept"
    assert log.getvalue(), "nothing was logged, so nothing was looked at"
    assert not leaks, "\n".join(leaks)
    row = AuthSession.objects.get(pk=session.pk)
    assert repr(row).find(CANARY) == -1 and bytes(row.sealed_credential), "the key is there, sealed"
    opened = crypto.current().open(bytes(row.sealed_credential), "session.credential", row.pk)
    assert CANARY.encode() in opened


def test_planted_leaks_are_found(owner: User, session: AuthSession, log: io.StringIO, client: Client) -> None:
    client.force_login(owner)
    from context_app.models import Context

    Context.objects.create(owner=owner, title=f"oops {CANARY}")
    logging.getLogger("some.library").debug("sent %s", CANARY)
    planted = Path(settings.DATA_DIR) / "spool" / "planted"
    planted.write_bytes(base64.b64encode(b"xx" + CANARY.encode() + b"yy") + CANARY.encode("utf-16-le"))
    try:
        assert any(found(data) for _, data in visit_everything(client, owner, session)), "pages"
        assert any(found(data) for place, data in files() if "planted" in place), "files"
        assert any(found(data) for place, data in database() if place.startswith("table")), "tables"
        assert found(log.getvalue().encode()), "log"
    finally:
        planted.unlink()
    for name, form in forms_of(CANARY).items():
        assert found(b"..." + form + b"..."), name


def test_only_the_store_and_the_key_ring_touch_sealed_columns() -> None:
    sealed = [
        field.name
        for model in map(type, [AuthSession()])
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField) and field.name.startswith("sealed")
    ]
    assert sealed == ["sealed_credential"]
    for field in AuthSession._meta.get_fields():
        if isinstance(field, models.BinaryField):
            assert not field.editable, "no form and no admin page may hold it"
    assert json.dumps(str(AuthSession(name="x")))
