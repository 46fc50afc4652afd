import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers_app import apps, provider, providers
from providers_app.errors import ProviderBroken, UnknownProvider, UnsupportedOperation
from providers_app.registry import compliance
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import authorizer, resolve, spoken, supports
from providers_app.registry.settings import build_model
from providers_app.types.chat import ChatRequest, Message, TextPart
from providers_app.types.credentials import Credential, Secret
from tests.unit.providers.broken_packages import FAULTS
from tests.unit.providers.packages import write_distribution, write_package

SHIPPED = {"anthropic", "demo", "gemini", "openai", "openrouter", "remote"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A further folder of the package ``providers_app.providers``: what is written there is dropped in."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    before = set(sys.modules)
    registry.reset()
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("providers_app.providers.", "maestro_example")):
            sys.modules.pop(name)
    importlib.invalidate_caches()
    registry.reset()


@pytest.fixture
def site(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    path = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(str(path))
    return path


def slugs() -> set[str]:
    return {card.slug for card in provider.list_providers()}


def ids(slug: str) -> list[str]:
    return [finding.id.rpartition(".")[2] for finding in compliance.findings() if finding.slug == slug]


def test_the_shipped_providers_load_and_comply() -> None:
    registry.reset()
    assert slugs() >= SHIPPED
    assert compliance.findings() == []


def test_a_folder_dropped_in_is_a_provider_with_no_other_line_changed(folder: Path) -> None:
    write_package(folder, "dropped")
    registry.reset()
    assert slugs() >= SHIPPED | {"dropped"}
    assert ids("dropped") == []
    assert resolve("dropped", "streaming").dialect.name == "openai_chat"
    assert build_model()().dropped.base_url == "https://api.example.com/v1"
    assert "chat" in provider.provider_capabilities("dropped")


def test_a_provider_may_speak_several_dialects(folder: Path) -> None:
    code = (
        "from providers_app.dialects import by_name\n"
        "class S:\n    dialect = by_name('openai_chat')\n"
        "    def build(self, chat, credential): ...\n"
        "    def dialect_of(self, model, credential):\n"
        "        return by_name('anthropic_messages') if model.startswith('claude') else self.dialect\n"
        "BEHAVIOUR = S()\n"
    )
    write_package(folder, "several", {"streaming.py": code})
    registry.reset()
    credential = Credential(auth_type="none")
    assert ids("several") == []
    assert spoken("several", "claude-x", credential).name == "anthropic_messages"
    assert spoken("several", "other", credential).name == "openai_chat"
    assert spoken("anthropic", "claude-x", credential).name == "anthropic_messages"


def test_an_installed_package_with_the_entry_point_is_a_provider(site: Path) -> None:
    write_package(site, "maestro_example")
    (site / "maestro_example" / "__init__.py").write_text(
        (site / "maestro_example" / "__init__.py").read_text().replace('slug="maestro_example"', 'slug="acme"')
    )
    write_distribution(site, "maestro-example", {"acme": "maestro_example"})
    registry.reset()
    assert slugs() >= SHIPPED | {"acme"}
    assert registry.packages()["acme"].source == "maestro-example"
    assert ids("acme") == []


def test_listing_providers_imports_no_behaviour(folder: Path) -> None:
    write_package(folder, "lazy")
    registry.reset()
    assert "lazy" in slugs()
    assert "providers_app.providers.lazy" in sys.modules
    assert "providers_app.providers.lazy.streaming" not in sys.modules


def test_each_package_is_logged_once_at_the_scan(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_package(folder, "dropped")
    with caplog.at_level("INFO", logger="maestro.registry"):
        registry.reset()
        registry.packages()
        registry.packages()
    assert caplog.text.count("provider dropped: ") == 1


def test_a_broken_provider_takes_no_other_down(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_package(folder, "good")
    write_package(folder, "broken", {"__init__.py": "raise SystemExit('on import')"})
    registry.reset()
    assert slugs() >= SHIPPED | {"good"}
    assert "broken" not in slugs()
    assert "provider broken is broken" in caplog.text
    with pytest.raises(ProviderBroken, match="SystemExit"):
        registry.card("broken")
    assert ids("broken") == ["E003"]
    assert "broken" not in build_model().model_fields


def test_a_folder_wins_over_an_installed_package_of_the_same_slug(site: Path, folder: Path) -> None:
    write_package(folder, "twice")
    write_package(site, "maestro_example")
    write_distribution(site, "maestro-example", {"twice": "maestro_example", "openai": "maestro_example"})
    registry.reset()
    assert registry.packages()["twice"].source == "folder"
    assert registry.packages()["openai"].module == "providers_app.providers.openai"
    assert ids("twice") == ["E002"]
    assert ids("openai") == ["E002"]


def test_an_unknown_provider_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownProvider) as caught:
        resolve("antropic", "streaming")
    assert "anthropic" in caught.value.hint


def test_an_unsupported_operation_says_why() -> None:
    with pytest.raises(UnsupportedOperation, match="a key or nothing"):
        resolve("remote", "oauth")
    assert not supports("remote", "oauth")
    assert supports("anthropic", "oauth")
    assert supports("anthropic", "counting")
    assert not supports("remote", "counting")


def test_an_auth_type_that_a_provider_has_not_is_refused() -> None:
    with pytest.raises(UnsupportedOperation) as caught:
        authorizer("openai", "none")
    assert "api_key" in caught.value.hint


def test_a_behaviour_of_the_wrong_shape_is_broken_when_it_is_resolved(folder: Path) -> None:
    write_package(folder, "shapeless", {"streaming.py": "BEHAVIOUR = object()"})
    registry.reset()
    with pytest.raises(ProviderBroken, match="has no dialect"):
        resolve("shapeless", "streaming")


def test_the_documented_example_is_a_working_compliant_provider(folder: Path) -> None:
    page = (Path(providers.__file__).parents[2] / "docs" / "adding-a-provider.md").read_text()
    files = re.findall(r"^`(acme/\w+\.py)`\n\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(files) == 7
    (folder / "acme").mkdir()
    for name, text in files:
        (folder / name).write_text(text)
    registry.reset()
    assert "acme" in slugs()
    assert ids("acme") == []
    credential = Credential(auth_type="api_key", secret=Secret("acme-1"))
    chat = ChatRequest(model="m", messages=(Message("user", (TextPart("Hello"),)),))
    request = authorizer("acme", "api_key")(credential, resolve("acme", "streaming").build(chat, credential))
    assert request.url == "https://api.acme.example/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer acme-1"
    assert request.secret_headers == {"authorization"}


def test_every_finding_is_documented() -> None:
    page = (Path(providers.__file__).parents[2] / "docs" / "adding-a-provider.md").read_text()
    source = Path(compliance.__file__).read_text()
    used = set(re.findall(r'"([EW]0\d\d)"', source))
    assert used == set(re.findall(r"maestro\.providers\.([EW]0\d\d)", page))
    assert used <= set(re.findall(r"[EW]0\d\d", source.split('"""')[1]))


@pytest.mark.parametrize(("slug", "changes", "expected"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_each_fault_has_its_own_finding(
    folder: Path, slug: str, changes: dict[str, str | None], expected: list[str]
) -> None:
    package = write_package(folder, slug, {n: t for n, t in changes.items() if not (t or "").startswith("{src}")})
    for name, text in changes.items():
        if text is not None and text.startswith("{src}"):
            source = (package / name).read_text()
            before, arrow, after = text.removeprefix("{src}").partition("->")
            changed = source.replace(before, after) if arrow else source.replace(f'slug="{slug}"', before)
            assert changed != source
            (package / name).write_text(changed)
    registry.reset()
    assert sorted(ids(slug)) == sorted(expected)
    assert slugs() >= SHIPPED
    for finding in compliance.findings():
        assert finding.slug == slug
        assert finding.message
        assert finding.hint


def test_bad_slugs_are_named(site: Path) -> None:
    write_package(site, "maestro_example")
    write_distribution(site, "maestro-example", {"Bad-Slug": "maestro_example"})
    registry.reset()
    assert ids("Bad-Slug") == ["E001"]


def test_findings_are_system_checks_with_level_and_hint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(folder, "missing", {"oauth.py": None})
    write_package(folder, "nameless", {"__init__.py": (folder / "missing" / "__init__.py").read_text()})
    registry.reset()
    messages = {message.id: message for message in apps.check_providers()}
    monkeypatch.setattr("sys.argv", ["manage.py", "check"])
    assert messages["maestro.providers.E009"].is_serious()
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    assert not messages["maestro.providers.E009"].is_serious(), "one broken provider stops no other command"
    assert messages["maestro.providers.E009"].hint
    assert messages["maestro.providers.E005"].obj == "provider nameless"
