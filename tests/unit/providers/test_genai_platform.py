"""Settings and header templates of the enterprise gateway: what is missing is named, what is wrong is refused."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from providers_app.genai_platform import headers
from providers_app.genai_platform.config import GenAIPlatformConfig
from providers_app.genai_platform.endpoint import Caller, Platform, carries, hosts_of
from providers_app.ports import SYSTEM
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http
from providers_app.wire.guard import Guard

BASE = {"enabled": True, "base_url": "https://genai.example.com/api"}


def problem(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        GenAIPlatformConfig(**{**BASE, **values})
    return str(caught.value.errors(include_input=False)[0]["msg"])


def test_what_is_not_enabled_needs_nothing() -> None:
    assert not GenAIPlatformConfig().enabled
    assert not GenAIPlatformConfig(headers={"X-A": "{nonsense}"}).enabled


def test_all_that_is_missing_is_named_at_once() -> None:
    said = problem(base_url="", token_source="client_credentials", headers="X-Project: {project}")
    for name in ("BASE_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "PROJECT"):
        assert f"MAESTRO_GENAI_PLATFORM__{name}" in said
    assert "SCOPE" not in said
    assert "MAESTRO_GENAI_PLATFORM__TOKEN" in problem(token_source="static")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base_url": "ftp://genai.example.com"}, "base_url: the address must begin with http"),
        ({"base_url": "https://user:secret@genai.example.com"}, "user name or password"),
        ({"headers": "X-A: {settings.secret_key}"}, "names {settings.secret_key}"),
        ({"headers": "X-A: {user.id"}, "brace that belongs to no variable"),
        ({"headers": "Host: elsewhere"}, "is written by Maestro itself"),
        ({"headers": "X-A: 1; x-a: 2"}, "is given twice"),
        ({"headers": "X-A"}, "is not of the form"),
        ({"headers": {"X-A": "one\r\nX-B: two"}}, "line break"),
        ({"headers": {"X-A": "ü"}}, "plain ASCII"),
        ({"headers": {"X A": "1"}}, "is not the name of a header"),
        ({"secret_headers": SecretStr("X-Key: {user.id}")}, "is static"),
        ({"secret_headers": SecretStr("Ocp Key")}, "not of the form"),
        ({"secret_headers": SecretStr("Ocp Key: 1")}, "no header can have"),
        ({"headers": "X-Key: 1", "secret_headers": SecretStr("x-key: 2")}, "given twice, once as a secret"),
        ({"path_template": "/{model}{path}"}, "names {model}"),
        ({"token_source": "static", "token": SecretStr("to\nken")}, "line break"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_the_start(values: dict[str, Any], said: str) -> None:
    assert said in problem(**values)


def test_secrets_are_quoted_nowhere() -> None:
    config = GenAIPlatformConfig(
        **BASE, token_source="static", token=SecretStr("tok-secret"), secret_headers=SecretStr("X-Key: sub-secret")
    )
    assert "secret" not in repr(config).replace("secret_headers", "").replace("client_secret", "")
    assert "sub-secret" not in problem(secret_headers=SecretStr("X-Key: sub-secret{"))


def test_a_value_cannot_break_out_of_its_header() -> None:
    filled = headers.filled("{user.email}|{project}", {"user.email": "a\r\nX-Evil: 1", "project": "Köln 中"})
    assert filled == "a%0D%0AX-Evil: 1|K%C3%B6ln %E4%B8%AD"
    assert headers.filled("{user.id}", {}) == ""


async def routed(url: str, caller: Caller, **values: Any) -> HttpRequest:
    config = GenAIPlatformConfig(**{**BASE, **values})
    http = Http(guard=Guard(hosts_of(config)))
    request = HttpRequest(method="POST", url=url, headers={"Authorization": "Bearer own"}, body=b"{}")
    request = request.with_headers({"Authorization": "Bearer own"}, secret=True)
    try:
        return await Platform(config, http).route(caller, request)
    finally:
        await http.aclose()


CALLER = Caller(provider="openai", owner=7)


async def test_path_and_query_go_below_the_base_url() -> None:
    url = "https://x.openai.azure.com/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21"
    plain = await routed(url, CALLER)
    assert plain.url == (
        "https://genai.example.com/api/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21"
    )
    templated = await routed(url, CALLER, path_template="/v2/{project}/{provider}{path}", project="a b/c")
    assert templated.url.startswith("https://genai.example.com/api/v2/a%20b%2Fc/openai/openai/deployments/a%2Fb/")


async def test_the_gateways_token_takes_the_place_of_the_providers() -> None:
    static = {"token_source": "static", "token": SecretStr("gateway")}
    both = await routed("https://api.openai.com/v1/responses", CALLER, **static, token_header="X-Token")
    assert (both.headers["Authorization"], both.headers["X-Token"]) == ("Bearer own", "Bearer gateway")
    assert both.secret_headers == {"authorization", "x-token"}
    replaced = await routed("https://api.openai.com/v1/responses", CALLER, **static, token_header="authorization")
    assert replaced.headers == {"authorization": "Bearer gateway"}
    bare = await routed("https://api.openai.com/v1/responses", CALLER, provider_credential="remove")
    assert bare.headers == {}


async def test_the_installation_itself_has_no_id_and_a_session_may_have_its_own_project() -> None:
    texts: dict[str, Any] = {"headers": "X-User: {user.id}; X-Project: {project}; X-Static: yes", "project": "common"}
    system = Caller(provider="openai", owner=SYSTEM, project="own")
    sent = (await routed("https://api.openai.com/v1/models", system, **texts)).headers
    assert sent["X-Project"] == "common"
    texts["session_project"] = True
    sent = (await routed("https://api.openai.com/v1/models", system, **texts)).headers
    assert "X-User" not in sent
    assert (sent["X-Project"], sent["X-Static"]) == ("own", "yes")


def test_a_session_without_a_key_is_to_blame_only_where_nobody_signs() -> None:
    bare = HttpRequest(method="GET", url="https://vllm.example.com/v1/models")
    signed = bare.with_headers({"Authorization": "Bearer own"}, secret=True)
    nobody = GenAIPlatformConfig(**BASE)
    token = GenAIPlatformConfig(**BASE, token_source="static", token=SecretStr("gateway"))
    beside = GenAIPlatformConfig(**BASE, secret_headers=SecretStr("X-Key: sub"))
    assert [carries(config, bare) for config in (nobody, token, beside)] == [True, False, False]
    assert [carries(config, signed) for config in (nobody, token, beside)] == [True, False, True]


async def test_what_is_answered_in_this_process_does_not_go_there() -> None:
    assert (await routed("demo://local/v1/chat/completions", CALLER)).url == "demo://local/v1/chat/completions"


def test_only_named_providers_go_through() -> None:
    everything = Platform(GenAIPlatformConfig(**BASE), Http(guard=Guard()))
    assert everything.covers("gemini")
    some = Platform(GenAIPlatformConfig(**BASE, providers="openai, anthropic"), Http(guard=Guard()))
    assert [some.covers(slug) for slug in ("openai", "anthropic", "gemini")] == [True, True, False]
    assert hosts_of(GenAIPlatformConfig(**{**BASE, "base_url": "http://[fd00::1]:8080/x"})) == ("[fd00::1]:8080",)
