"""The list of error codes: complete, current, and the same on its page and in the documentation."""

import ast
import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from maestro_site import error_reference
from maestro_site.environment import ROOT
from providers_app import errors

APPS = ("providers_app", "sessions_app", "context_app", "maestro_site")


def classes(kind: type[errors.ProviderError] = errors.ProviderError) -> Iterator[type[errors.ProviderError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.split(".")[0] in APPS:
            yield from classes(child)


def rows() -> dict[str, error_reference.Entry]:
    return {row.code: row for section in error_reference.sections() for row in section.entries}


def codes_in(path: Path) -> Iterator[str]:
    """The codes that a module gives to an ``ErrorInfo``, or declares for a class of errors."""
    for node in ast.walk(ast.parse(path.read_text())):
        named = getattr(getattr(node, "func", None), "id", "") == "ErrorInfo" or isinstance(node, ast.ClassDef)
        for keyword in node.keywords if named else ():
            if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                yield keyword.value.value


def test_every_error_of_the_product_has_an_entry_of_its_own_words() -> None:
    assert {kind.code for kind in classes()} <= set(rows())
    first = {kind.code: kind for kind in reversed(list(classes()))}
    assert not [kind.__name__ for kind in first.values() if "why" not in vars(kind)]
    for row in rows().values():
        assert all(text.strip().endswith((".", "`", ")")) for text in (row.what, row.why, row.fix)), row


def test_every_code_that_the_code_names_is_in_the_list() -> None:
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    named = {code for path in paths for code in codes_in(path)}
    script = (ROOT / "static/js/chat.js").read_text() + (ROOT / "static/js/chat-link.js").read_text()
    named |= set(re.findall(r'code: "(\w+)"', script))
    assert {"stream_interrupted", "internal_error", "frame_too_large", "unknown_turn"} <= named
    assert named <= set(rows())


def test_the_committed_page_is_current_and_a_stale_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("error_docs", check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / error_reference.PAGE).write_text("# Old\n")
    monkeypatch.setattr("maestro_site.management.commands.error_docs.ROOT", tmp_path)
    with pytest.raises(CommandError, match="error_docs"):
        call_command("error_docs", check=True)
    call_command("error_docs")
    assert (tmp_path / error_reference.PAGE).read_text() == (ROOT / error_reference.PAGE).read_text()


def test_the_page_has_each_code_once_as_the_place_of_a_link(client: Client, db: None) -> None:
    assert client.get("/help/errors/").status_code == 302, "it is for people who are signed in"
    client.force_login(User.objects.create_user("ada"))
    text = client.get("/help/errors/").content.decode()
    assert re.findall(r'<article class="help-entry" id="(\w+)"', text) == list(rows())
    assert rows()["upstream_rate_limit"].why in text and "Retry now" in text
    assert "<code>/readyz</code>" not in text or "`" not in re.sub(r"<[^>]*>", "", text)


@pytest.mark.parametrize(("module", "told"), [*((f"{app}.odd", True) for app in APPS), ("tests.odd", False)])
def test_only_errors_of_the_product_are_told(module: str, told: bool) -> None:
    odd = type("Odd", (errors.CallerError,), {"__module__": module, "__doc__": "It is odd."})
    assert (odd in error_reference._classes(errors.ProviderError)) is told
    del odd
    gc.collect()  # no test after this one finds it
