"""Only errors of ``providers_app.errors`` leave the universal interface, whatever it is called with."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers_app import errors, provider
from providers_app.registry import resolver
from providers_app.types.credentials import Credential, Secret
from tests.processes import ROOT, environment
from tests.unit.context.desk import Desk

WRONG = (None, "", "  ", 42, 2.5, b"x", [], object(), "nonsense", "a\x00b", "\ud800", 10**30)
FITTING: dict[str, Any] = {
    "provider": "demo",
    "session": "ada_demo",
    "auth_type": "none",
    "messages": "Hi",
    "model": "demo-instant-n2",
    "model_id": "demo",
    "params": {},
    "credential": Credential(auth_type="none", secret=Secret("")),
    "trigger": "command",
}
FUNCTIONS = sorted(
    name for name in provider.__all__ if inspect.isfunction(getattr(provider, name)) and name != "acting_as"
)
NAMING_A_PROVIDER = [name for name in FUNCTIONS if "provider" in inspect.signature(getattr(provider, name)).parameters]


def fitting(name: str) -> dict[str, Any]:
    """Arguments of a function that are right as far as they are there."""
    parameters = inspect.signature(getattr(provider, name)).parameters
    needed = [p.name for p in parameters.values() if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    optional = [part for part in ("auth_type", "messages", "model") if part in parameters]
    given = {part: FITTING.get(part, "x") for part in needed + optional}
    return {**given, "name": "ada_demo"} if name not in ("create_session", "begin_login") and "name" in given else given


async def call(name: str, given: dict[str, Any]) -> None:
    result = getattr(provider, name)(**given)
    if hasattr(result, "__aiter__"):
        async for _ in result:
            pass
    elif inspect.isawaitable(result):
        await result


def wrong_calls(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    parameters = inspect.signature(getattr(provider, name)).parameters
    for parameter in parameters.values():
        for value in WRONG if parameter.kind != parameter.VAR_KEYWORD else ():
            if parameter.name == "model" and value in (None, ""):
                continue  # that of the provider, which answers at the speed of a typist
            yield f"{parameter.name}={value!r:.30}", {parameter.name: value}
            if "store" in parameters:
                yield f"{parameter.name}={value!r:.30}, store=True", {"store": True, parameter.name: value}


@pytest.mark.both
@pytest.mark.parametrize("name", FUNCTIONS)
async def test_no_other_error_leaves_a_function(desk: Desk, name: str) -> None:
    leaked = []
    with provider.acting_as(desk.user):
        for label, wrong in wrong_calls(name):
            try:
                await call(name, {**fitting(name), **wrong})
            except errors.ProviderError:
                pass
            except Exception as error:
                leaked.append(f"{name}({label}): {type(error).__name__}: {error}")
    assert leaked == []


@pytest.mark.parametrize("name", NAMING_A_PROVIDER)
async def test_an_unknown_provider_is_named_with_the_nearest_one(desk: Desk, name: str) -> None:
    for extra in ({}, {"store": True}) if name in ("stream_chat", "complete_chat") else ({},):
        with provider.acting_as(desk.user), pytest.raises(errors.UnknownProvider) as caught:
            await call(name, {**fitting(name), **extra, "provider": "antropic"})
        assert caught.value.hint == "Did you mean 'anthropic'?"


@pytest.mark.parametrize("owner", [2.5, object(), [1], "ada", b"1"])
async def test_what_is_no_user_owns_nothing(desk: Desk, owner: Any) -> None:
    with pytest.raises(errors.OwnerRequired) as caught:
        await provider.list_models("demo", "none", "ada_demo", owner=owner)
    assert "primary key" in caught.value.hint
    assert await provider.list_models("demo", "none", "ada_demo", owner=str(desk.user.pk)), "a key may be text"


@pytest.mark.parametrize("name", [None, "", "  ", 42])
async def test_a_session_has_to_be_named(desk: Desk, name: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="No session is named"):
        await provider.complete_chat("demo", name, "Hi", owner=desk.user)


async def test_an_unknown_operation_or_auth_type_is_unsupported(desk: Desk) -> None:
    with pytest.raises(errors.UnsupportedOperation) as caught:
        resolver.resolve("demo", "streeming")  # type: ignore[call-overload]
    assert caught.value.hint == "Did you mean 'streaming'?"
    with pytest.raises(errors.UnknownProvider):
        resolver.resolve("dmeo", "streeming")  # type: ignore[call-overload]
    with pytest.raises(errors.UnsupportedOperation, match="has no auth type"):
        await provider.get_model("demo", "ada_demo", "demo", auth_type="oauth", owner=desk.user)


async def test_the_warnings_about_a_key_reach_the_caller(desk: Desk) -> None:
    made = await provider.create_session(
        "openai", "api_key", name="mine", api_key="sk-ant-" + "k" * 40, owner=desk.user
    )
    (advice,) = made.advice
    assert (advice.level, advice.what) == ("warning", "This looks like a key of Anthropic.")
    assert "xxxx" not in repr(made.advice)
    made = await provider.create_session("demo", "none", name="other", owner=desk.user)
    assert made.advice == ()


UNMIGRATED = """
import asyncio, django
django.setup()
from providers_app import errors, provider

async def main():
    calls = (
        provider.list_models("demo", "none", "try_demo"),
        provider.complete_chat("demo", "try_demo", "Hi", owner=1),
        provider.create_context(owner=1),
        provider.list_contexts(owner=1),
        provider.create_session("demo", "none", name="try_demo", owner=1),
    )
    for call in calls:
        try:
            await call
        except errors.NotConfigured as error:
            print(error.message, error.hint)

asyncio.run(main())
"""


def test_a_database_that_was_never_migrated_is_named(tmp_path: Path) -> None:
    settings = environment(tmp_path / "data", DJANGO_SETTINGS_MODULE="maestro_site.settings")
    done = subprocess.run(
        [sys.executable, "-c", UNMIGRATED], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    line = "The database has no tables, or old ones. Call maestro_site.setup(), or run `manage.py migrate`."
    assert done.stdout.splitlines() == [line] * 5, done.stderr
