"""Code of a provider that fails in ways it should not costs the one call, as a typed error, and shows no key."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from providers_app import conf, errors, provider, providers
from providers_app.dispatch.faults import deadline
from providers_app.listing import models as catalogue
from providers_app.registry import compliance
from providers_app.registry.discovery import registry
from providers_app.types.catalogue import ModelInfo
from providers_app.types.events import StreamFailed
from tests.unit.providers.memory_store import MemorySessions
from tests.unit.providers.packages import write_distribution, write_package

KEY = "sk-foreign-0123456789"
RAISE = 'raise ZeroDivisionError("with " + credential.secret.reveal())'
STREAMING = f"""
from providers_app.dialects.openai_chat import DIALECT

class Streaming:
    dialect = DIALECT

    def build(self, chat, credential):
        {RAISE}

BEHAVIOUR = Streaming()
"""
MODELS = f"""
class Models:
    async def list(self, credential, http):
        {RAISE}

    async def get(self, model_id, credential, http):
        {RAISE}

BEHAVIOUR = Models()
"""
KEYS = f"""
class Key:
    def validate(self, key):
        return []

    def authorize(self, credential, request):
        {RAISE}

    async def test(self, credential, http):
        {RAISE}

BEHAVIOUR = Key()
"""
LOCAL = """
from providers_app.types.http import LocalAnswer

TEXT = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\\n\\n'

async def parts():
    yield TEXT
    raise ZeroDivisionError("in the middle")

async def LOCAL(request):
    if b"early" in request.body:
        raise ZeroDivisionError("at once")
    return LocalAnswer(status=200, headers={}, chunks=parts())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    registry.reset()
    yield tmp_path
    registry.reset()


Use = Callable[[str], Awaitable[Any]]


@pytest.mark.usefixtures("on_loop")
@pytest.mark.parametrize(
    ("slug", "files", "use"),
    [
        ("failbuild", {"streaming.py": STREAMING}, lambda slug: provider.complete_chat(slug, "box", "x", model="m")),
        ("failsign", {"api_key.py": KEYS}, lambda slug: provider.complete_chat(slug, "box", "x", model="m")),
        ("failshow", {"streaming.py": STREAMING}, lambda slug: provider.preview_request(slug, "box", "x", model="m")),
        ("faillist", {"models.py": MODELS}, lambda slug: provider.list_models(slug, None, "box")),
        ("failget", {"models.py": MODELS}, lambda slug: provider.get_model(slug, "box", "m")),
        ("failtest", {"api_key.py": KEYS}, lambda slug: provider.test_session(slug, None, "box")),
    ],
)
async def test_a_behaviour_that_fails_is_a_broken_provider_and_quotes_no_key(
    folder: Path,
    sessions: MemorySessions,
    caplog: pytest.LogCaptureFixture,
    slug: str,
    files: dict[str, str | None],
    use: Use,
) -> None:
    write_package(folder, slug, {name: (text or "").replace("{", "{{") for name, text in files.items()})
    await provider.create_session(slug, "api_key", name="box", api_key=KEY)
    with pytest.raises(errors.ProviderBroken, match="ZeroDivisionError") as caught:
        await use(slug)
    assert KEY not in str(caught.value)
    assert "ZeroDivisionError" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.usefixtures("on_loop")
async def test_a_local_responder_that_fails_early_is_raised_and_in_the_middle_ends_the_answer(
    folder: Path, sessions: MemorySessions
) -> None:
    files = {
        "local.py": LOCAL.replace("{", "{{").replace("}", "}}"),
        "config.py": "from pydantic import BaseModel, ConfigDict\n"
        "class Config(BaseModel):\n    model_config = ConfigDict(frozen=True)\n    base_url: str = 'inhouse://x'\n",
    }
    write_package(folder, "inhouse", files)
    await provider.create_session("inhouse", "api_key", name="box", api_key=KEY)
    with pytest.raises(errors.ProviderBroken):
        await provider.complete_chat("inhouse", "box", "early", model="m")
    events = [event async for event in provider.stream_chat("inhouse", "box", "Hello", model="m")]
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].finish_reason == "incomplete"


async def test_callers_that_wait_for_one_list_of_models_share_its_failure_and_its_success(
    on_loop: Any, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    wrong = True

    class Models:
        async def list(self, credential: Any, http: Any) -> list[ModelInfo]:
            asked.append("list")
            await asyncio.sleep(0.01)
            if wrong:
                raise errors.ServerError("down")
            return [ModelInfo(id="m")]

    monkeypatch.setattr(catalogue, "resolve", lambda slug, operation: Models())
    await provider.create_session("demo", "none", name="box")

    async def everybody() -> list[Any]:
        calls = (provider.list_models("demo", None, "box", refresh=True) for _ in range(8))
        return await asyncio.gather(*calls, return_exceptions=True)

    with conf.use(conf.current().model_copy(update={"max_retries": 0})):
        assert [type(found) for found in await everybody()] == [errors.ServerError] * 8
    assert len(asked) == 1
    wrong = False
    assert [len(found) for found in await everybody()] == [1] * 8
    assert len(asked) == 2
    await provider.list_models("demo", None, "box", refresh=True)
    assert len(asked) == 3, "a later refresh asks again"


def test_a_provider_that_is_one_file_is_judged_and_takes_no_other_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "maestro_onefile.py").write_text(
        "from providers_app.types.catalogue import Capabilities, ProviderInfo\n"
        "PROVIDER = ProviderInfo(slug='onefile', name='One', monogram='On', description='x',\n"
        "    auth_types=('none',), capabilities=Capabilities())\n"
    )
    write_distribution(tmp_path, "maestro-onefile", {"onefile": "maestro_onefile"})
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.reset()
    try:
        found = compliance.findings()
        assert {finding.slug for finding in found} == {"onefile"}
        assert {finding.id.rpartition(".")[2] for finding in found} == {"E008", "E009"}
        assert registry.local_responder("onefile") is None
    finally:
        monkeypatch.undo()
        registry.reset()


async def test_a_deadline_ends_the_block_with_its_error() -> None:
    late = errors.UpstreamTimeout("too late")
    with pytest.raises(errors.UpstreamTimeout) as caught:
        async with deadline(0, late):
            await asyncio.Event().wait()
    assert caught.value is late


async def test_a_time_out_of_the_block_itself_is_not_taken_for_the_deadline() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        async with deadline(None, errors.UpstreamTimeout("too late")):
            raise TimeoutError("its own")
