"""``/metrics`` and ``/health``: who sees what, names that are documented, and no name of a person in them."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from context_app.streams import runtime
from maestro_site import asgi, health
from maestro_site.monitoring import endpoints, metrics
from providers_app import loop, measures, provider
from providers_app.types.events import StreamEnd
from tests.unit.sessions.support import make_remote, settle
from tests.vendors.chat import ChatVendor
from tests.vendors.server import VendorServer
from tests.web.sessions.support import signed_in

TOKEN = "a-token-of-the-metrics-0123"
ROOT = Path(__file__).resolve().parents[2]
SECRET_WORDS = ("olive", "local_llama", "alice")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[None]:
    measures.here.clear()
    chosen = settings.MAESTRO.monitoring.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    tree = settings.MAESTRO.model_copy(update={"monitoring": chosen})
    with override_settings(DATA_DIR=tmp_path, MAESTRO=tree):
        yield
    measures.here.clear()


@pytest.fixture
def olive(db: Any) -> User:
    return User.objects.create_superuser("olive", password="a long enough password")


@pytest.fixture
def vendor(loopback_allowed: None) -> Iterator[VendorServer]:
    with VendorServer(ChatVendor(), path="/v1") as server:
        yield server
    settle()


async def asked(path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> HttpResponse:
    """The answer of the ASGI application, with what it needs of a loop."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asgi.application(scope, receive, send)
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return HttpResponse(body, status=sent[0]["status"], headers=head)


def bearer(token: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {token}".encode()


@pytest.fixture
async def attached() -> Any:
    loop.detach()
    loop.attach(asyncio.get_running_loop())
    yield
    await loop.shutdown(0.5)


@pytest.mark.usefixtures("attached")
@pytest.mark.parametrize(
    "header",
    [
        None,
        bearer("wrong"),
        bearer(""),
        bearer("é"),
        (b"authorization", TOKEN.encode()),
        (b"authorization", b"Basic " + TOKEN.encode()),
    ],
)
async def test_a_caller_without_the_token_sees_the_status_alone(header: tuple[bytes, bytes] | None) -> None:
    headers = [header] if header else []
    answer = await asked("/health", *headers)
    assert (answer.status_code, answer.content) == (200, b'{"status": "ok"}')
    answer = await asked("/metrics", *headers)
    assert answer.status_code == 200 and answer.content.startswith(b"# status: ok. ") and len(answer.content) < 120
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.usefixtures("attached")
async def test_the_token_opens_both_without_database_or_middleware() -> None:
    measures.here.row("demo", "s1", "demo").ended("ok", None, 0.2, 0.5)
    answer = await asked("/metrics", bearer(TOKEN))
    assert answer.status_code == 200 and b'maestro_requests_total{model="demo",outcome="ok"' in answer.content
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = (await asked("/health", bearer(TOKEN))).content.decode()
    assert '"queue_depth": 0' in found and '"demo"' in found


@pytest.mark.usefixtures("attached")
async def test_without_a_token_in_the_settings_none_opens() -> None:
    bare = settings.MAESTRO.monitoring.model_copy(update={"metrics_token": None})
    with override_settings(MAESTRO=settings.MAESTRO.model_copy(update={"monitoring": bare})):
        for header in (bearer(""), bearer("None"), bearer(TOKEN)):
            assert (await asked("/health", header)).content == b'{"status": "ok"}'


@pytest.mark.usefixtures("attached")
async def test_other_methods_and_foreign_hosts_are_refused() -> None:
    assert (await asked("/metrics", method="POST")).status_code == 405
    assert (await asked("/health", (b"host", b"evil.example"))).status_code == 400


@pytest.mark.usefixtures("attached")
async def test_a_server_that_stops_says_so_with_503() -> None:
    here = runtime.current()
    here.closing = True
    try:
        answer = await asked("/health", bearer(TOKEN))
        assert answer.status_code == 503 and b'"status": "stopping"' in answer.content
        ready = health._answer([])
        assert ready.status_code == 503 and json.loads(ready.content)["broken"] == ["dispatcher"]
        assert ((await asked("/health")).content, (await asked("/metrics")).status_code) == (
            b'{"status": "stopping"}', 503,
        )  # fmt: skip
    finally:
        runtime.replace(None)


def test_only_staff_who_are_signed_in_see_details(olive: User, client: Client) -> None:
    mia = User.objects.create_user("mia")
    assert set(signed_in(mia).get("/health").json()) == {"status"}
    assert signed_in(mia).get("/metrics").content.startswith(b"# status: ok")
    assert client.get("/health").json() == {"status": "ok"}
    browser = signed_in(olive)
    assert browser.get("/health").json()["dispatcher"]["state"] == "ok"
    assert b"# TYPE maestro_requests_total counter" in browser.get("/metrics").content
    olive.is_active = False
    olive.save()
    assert set(browser.get("/health").json()) == {"status"}


def test_a_browser_session_takes_the_way_that_knows_it() -> None:
    cookie = (b"cookie", b"theme=dark; sessionid=x")
    assert not endpoints.goes_without_browser({"headers": [cookie]})
    assert endpoints.goes_without_browser({"headers": [(b"cookie", b"theme=dark")]})


@pytest.mark.django_db(transaction=True)
def test_a_request_is_in_the_text_with_ids_and_without_names(olive: User, vendor: VendorServer) -> None:
    alice = User.objects.create_user("alice")
    session = make_remote(alice, vendor)

    async def ask() -> None:
        options = {"model": "local-large-text", "owner": alice.pk}
        events = [event async for event in provider.stream_chat("remote", "local_llama", "Hello", **options)]
        assert isinstance(events[-1], StreamEnd)

    loop.run(ask(), 60)
    text = signed_in(olive).get("/metrics").content.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (sample,) = families["maestro_requests"].samples
    assert sample.labels == {
        "provider": "remote", "session": str(session.pk), "model": "local-large-text", "outcome": "ok",
    } and sample.value == 1  # fmt: skip
    for name in ("maestro_tokens", "maestro_first_output_seconds", "maestro_request_seconds", "maestro_lane_slots"):
        assert families[name].samples, name
    told = signed_in(olive).get("/health").content.decode()
    for word in SECRET_WORDS:
        assert word not in text and word not in told, word


def test_every_name_is_documented_with_its_labels() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = "\n".join(metrics.rows())
    assert rows in page, f"the table of docs/operations.md is:\n{rows}"


def test_labels_are_ids_and_slugs() -> None:
    known = {"provider", "session", "model", "outcome", "kind", "class", "state", "direction", "band", "unit"}
    assert {label for family in metrics.FAMILIES for label in family.labels} == known
    assert all(re.fullmatch(r"maestro_[a-z_]+", family.name) for family in metrics.FAMILIES)
    assert all(family.name.endswith("_total") == (family.kind == "counter") for family in metrics.FAMILIES)
