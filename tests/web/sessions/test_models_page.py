"""The models of a session's page: filters, where figures come from, what is warned of, and lists that are old."""

import re
from collections.abc import Iterator
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from providers_app import conf
from providers_app.behaviours.protocols import Models
from providers_app.registry.resolver import resolve
from providers_app.types.catalogue import Figure, ModelInfo, PartialList
from providers_app.types.credentials import Credential, Secret
from providers_app.wire.client import Http
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows
from tests.unit.sessions.support import CANARY, make, make_remote
from tests.vendors.chat import ChatVendor
from tests.vendors.server import VendorServer
from tests.web.sessions.support import HTMX, copyable, signed_in, text_of

DAY = date(2026, 11, 27)


def url(session: AuthSession) -> str:
    return reverse("sessions:models", args=[session.pk])


@pytest.fixture
def demo(alice: User, transactional_db: None) -> AuthSession:
    return make(alice, "try_demo", provider="demo", auth_type="none", secret=Secret(""))


@pytest.fixture
def old_at_once() -> Iterator[None]:
    before = conf.current()
    conf.configure(before.model_copy(update={"models_cache_s": 1e-9}))
    yield
    conf.configure(before)


def test_the_list_is_searched_filtered_and_sorted(alice: User, demo: AuthSession) -> None:
    client = signed_in(alice)
    words = text_of(client.get(url(demo), headers=HTMX))
    assert "Listed now" in words and re.search(r"\d+ models\.", words)
    found = client.get(url(demo), {"q": "small window", "can": "tools", "stage": "current"}, headers=HTMX)
    assert "demo-small-window" in text_of(found) and "1 of " in text_of(found)
    ending = client.get(url(demo), {"stage": "ending"}, headers=HTMX)
    assert "No model matches" in text_of(ending)
    largest = client.get(url(demo), {"sort": "window"}, headers=HTMX).content.decode()
    assert largest.index(">demo<") < largest.index("demo-small-window")
    nonsense = client.get(url(demo), {"can": "flying", "sort": "--", "stage": "'"}, headers=HTMX)
    assert nonsense.status_code == 200 and "demo-small-window" in text_of(nonsense)


def test_a_part_of_the_list_that_could_not_be_read_is_said(
    alice: User, demo: AuthSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(resolve("demo", "models"))
    whole = kind.list

    async def partly(self: Models, credential: Credential, http: Http) -> list[ModelInfo]:
        return PartialList(await whole(self, credential, http), "The <other> half is left out.")

    monkeypatch.setattr(kind, "list", partly)
    client = signed_in(alice)
    page = client.get(url(demo), headers=HTMX)
    assert "The &lt;other&gt; half is left out." in page.content.decode() and "demo-slow" in text_of(page)
    picker = client.get(reverse("chats:models"), {"session": str(demo.pk)}, headers=HTMX)
    assert "half is left out." in text_of(picker)


def test_without_scripts_the_page_has_the_filters(alice: User, demo: AuthSession) -> None:
    page = signed_in(alice).get(url(demo), {"q": "slow", "can": "tools"})
    assert "<html" in page.content.decode() and 'value="slow"' in page.content.decode()
    assert '<option value="tools" selected>' in page.content.decode()
    assert "demo-slow" in text_of(page)


@pytest.mark.django_db(transaction=True)
def test_an_old_list_stays_with_its_reason_and_a_code(alice: User, old_at_once: None, private_hosts: None) -> None:
    client = signed_in(alice)
    with VendorServer(ChatVendor(), path="/v1") as server:
        session = make_remote(alice, server)
        assert "local-large" in text_of(client.get(url(session), headers=HTMX))
    late = client.get(url(session), {"refresh": "1"}, headers=HTMX)
    words = text_of(late)
    assert "local-large" in words and "could not be asked" in words and "As of now" in words
    assert "connection_failed" in copyable(late)
    none = client.get(url(session), {"refresh": "1", "q": "nothing like it"}, headers=HTMX)
    assert "No model matches" in text_of(none) and "could not be asked" in text_of(none)


def test_a_refused_key_shows_what_is_known_and_why(alice: User, transactional_db: None) -> None:
    session = make(alice, "work", provider="anthropic", base_url="http://127.0.0.1:9", secret=Secret(CANARY))
    page = signed_in(alice).get(url(session), headers=HTMX)
    words = text_of(page)
    assert "The provider gave no list" in words and "the models that Maestro knows of" in words
    assert "claude-opus-5" in words and "from the model file" in words
    assert CANARY not in page.content.decode()


def test_each_figure_says_where_it_comes_from() -> None:
    info = ModelInfo(
        id="m",
        context_window=5,
        max_output_tokens=4,
        input_price=3.0,
        figures={
            "context_window": Figure(source="provider", as_of="2026-11-27"),
            "max_output_tokens": Figure(source="shipped", as_of="2026-11-20"),
            "input_price": Figure(source="configured"),
        },
    )
    row = model_rows.row(info, DAY)
    assert (row.window.label, row.window.title) == ("", "The provider said so on 27 Nov 2026.")
    assert row.output.label == "file · 7 d"
    assert row.output.title == "From Maestro's model file; its source said so on 20 Nov 2026."
    assert (row.price_label, row.price_title) == ("configured", "The operator configured it.")


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({}, None, None),
        ({"lifecycle": "active", "retires_at": "2028-01-01"}, None, None),
        ({"retires_at": "2026-11-30", "lifecycle": "deprecated"}, "warn", "retires 30 Nov 2026"),
        ({"retires_at": "2028-01-01", "lifecycle": "deprecated"}, "warn", "retires 1 Jan 2028"),
        ({"retires_at": "2027-01-01"}, "warn", "retires 1 Jan 2027"),
        ({"retires_at": "2026-11-27"}, "bad", "retired 27 Nov 2026"),
        ({"lifecycle": "retired"}, "bad", "retired"),
        ({"lifecycle": "deprecated", "retires_at": "soon"}, "warn", "deprecated"),
        ({"lifecycle": "preview"}, "info", "preview"),
    ],
)
def test_the_end_of_a_model_is_warned_of(fields: dict[str, str], kind: str | None, text: str | None) -> None:
    found = model_rows.warned(ModelInfo(id="m", **fields), DAY)  # type: ignore[arg-type]
    assert (found.kind if found else None, found.text if found else None) == (kind, text)
