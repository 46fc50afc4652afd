"""What an address says, however it was copied, and the options of a session as texts."""

import re

import pytest

from providers_app import conf
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.errors import InvalidRequest
from providers_app.providers.azure_openai import requests, streaming
from providers_app.providers.azure_openai.config import Config
from providers_app.providers.azure_openai.options import DEPLOYMENTS, SETTINGS, read_deployments
from providers_app.providers.azure_openai.requests import Target
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential

HOST = "https://unit.openai.azure.com"
ADDRESSES = {
    HOST: Target(root=HOST),
    f"{HOST}/": Target(root=HOST),
    f"{HOST}/openai": Target(root=HOST),
    f"{HOST}/openai/": Target(root=HOST),
    f"{HOST}/openai/v1": Target(root=HOST, surface="v1"),
    f"{HOST}/openai/v1/chat/completions": Target(root=HOST, surface="v1"),
    f"{HOST}/openai/deployments/a%20b/chat/completions?api-version=2025-01-01-preview": Target(
        root=HOST, surface="classic", deployment="a b", api_version="2025-01-01-preview"
    ),
    f"{HOST}/openai/deployments/prod": Target(root=HOST, surface="classic", deployment="prod"),
    f"{HOST}/openai/responses?api-version=2025-04-01-preview": Target(root=HOST, api_version="2025-04-01-preview"),
    "https://gw.example:8443/team/azure/openai/deployments/d/": Target(
        root="https://gw.example:8443/team/azure", surface="classic", deployment="d"
    ),
    "https://r.services.ai.azure.com/api/projects/p": Target(root="https://r.services.ai.azure.com/api/projects/p"),
    "https://openai.example/proxy": Target(root="https://openai.example/proxy"),
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.items())
def test_an_address_is_understood_however_it_was_copied(address: str, expected: Target) -> None:
    assert requests.read_target(address) == expected


def credential(base_url: str = HOST, **settings: str) -> Credential:
    return Credential(auth_type="api_key", base_url=base_url, settings=settings)


def test_the_surface_is_the_sessions_then_the_addresss_then_the_configurations_then_the_versions() -> None:
    classic_address = f"{HOST}/openai/deployments/d"
    assert requests.surface(credential()) == "v1"
    assert requests.surface(credential(api_version="2024-10-21")) == "classic"
    assert requests.surface(credential(f"{HOST}/openai/v1", api_version="2024-10-21")) == "v1"
    assert requests.surface(credential(classic_address)) == "classic"
    assert requests.surface(credential(classic_address, surface="v1")) == "v1"
    with conf.use(build_model()(azure_openai=Config(surface="v1", api_version="2024-06-01"))):
        assert requests.surface(credential()) == "v1"
        assert requests.api_version(credential(surface="classic")) == "2024-06-01"
    with conf.use(build_model()(azure_openai=Config(api_version="2024-06-01", api="responses"))):
        assert requests.surface(credential()) == "classic"
        assert not requests.speaks_responses(credential()), "the configured API holds where the surface has it"
        assert requests.speaks_responses(credential(surface="v1"))
    assert requests.api_version(credential(surface="classic")) == requests.RECENT_VERSION


def test_a_name_of_a_deployment_cannot_leave_its_place_in_the_path() -> None:
    made = requests.post_chat("a/../b?c", credential(classic := f"{HOST}/openai/deployments/x"), b"", streamed=True)
    assert made.url.startswith(f"{HOST}/openai/deployments/a%2F..%2Fb%3Fc/chat/completions?api-version=")
    with pytest.raises(InvalidRequest):
        requests.post_chat("..", credential(classic), b"", streamed=True)


def test_responses_on_the_classic_surface_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidRequest, match="not on the classic surface") as caught:
        requests.post_chat("d", credential(surface="classic", api="responses"), b"", streamed=True)
    assert "v1" in caught.value.hint


def test_a_session_without_an_address_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="no address"):
        requests.get("/models", Credential(auth_type="api_key"))


VERSIONS = {
    "2023-05-15": (False, "max_tokens", "json_object", {"reasoning_effort"}),
    "2024-08-01-preview": (False, "max_tokens", "json_schema", {"reasoning_effort"}),
    "2024-09-01-preview": (True, "max_completion_tokens", "json_schema", {"reasoning_effort"}),
    "2024-10-21": (True, "max_completion_tokens", "json_schema", {"reasoning_effort"}),
    "2024-12-01-preview": (True, "max_completion_tokens", "json_schema", set()),
}


@pytest.mark.parametrize(("version", "known"), VERSIONS.items())
def test_a_version_is_sent_what_it_knows(version: str, known: tuple[bool, str, str, set[str]]) -> None:
    dialect = streaming.BEHAVIOUR.dialect_of("any", credential(surface="classic", api_version=version))
    assert isinstance(dialect, OpenAIChat)
    form = dialect.request
    assert (form.include_usage, form.max_tokens_field, form.structured, set(form.unsupported)) == known


TEXTS = {
    "prod": {"prod": ""},
    "prod=gpt-5.6": {"prod": "gpt-5.6"},
    " prod = gpt-5.6 \r\n mini,fast=gpt-5.6-mini\n": {"prod": "gpt-5.6", "mini": "", "fast": "gpt-5.6-mini"},
    "prod=a, prod=b": {"prod": "a"},
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
def test_deployments_are_read_line_by_line_or_between_commas(text: str, expected: dict[str, str]) -> None:
    assert re.fullmatch(DEPLOYMENTS, text)
    assert read_deployments(text) == expected
    assert Config(deployments=text).deployments == text


@pytest.mark.parametrize("text", ["=x", "a=", "a==b", "a b=", "ä", "a;b", "../x", "a=<b>", "https://x"])
def test_what_is_no_list_of_deployments_is_refused(text: str) -> None:
    assert not re.fullmatch(DEPLOYMENTS, text)
    with pytest.raises(ValueError, match="deployments"):
        Config(deployments=text)


def test_a_long_list_that_does_not_fit_is_refused_at_once() -> None:
    assert not re.fullmatch(DEPLOYMENTS, "a " * 2000 + "!")


def test_every_option_has_a_setting_of_the_same_name() -> None:
    assert {field.name for field in SETTINGS} <= set(Config.model_fields)
