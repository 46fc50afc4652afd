"""The table of compatible servers, and what decides between it, a session's options and the configuration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from providers_app import conf
from providers_app.errors import InvalidOption
from providers_app.providers.remote import PROVIDER, servers
from providers_app.providers.remote.config import Config
from providers_app.providers.remote.options import QUIRKS, server_of
from providers_app.providers.remote.streaming import advice, dialect
from providers_app.registry import options
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential

DOCS = Path(__file__).parents[4] / "docs" / "compatible-servers.md"


@pytest.fixture(autouse=True)
def configuration() -> Iterator[None]:
    yield
    conf.configure(None)


def session(base_url: str = "https://host.example/v1", **settings: str) -> Credential:
    return Credential(auth_type="api_key", base_url=base_url, settings=settings)


def configure(**given: object) -> None:
    conf.configure(build_model()(remote=Config(**given)))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://API.GROQ.com/openai/v1", "groq"),
        ("https://api.together.ai/v1", "together"),
        ("https://acme.snowflakecomputing.com/api/v2/cortex/v1", "snowflake"),
        ("http://192.168.1.5:11434/v1", "ollama"),
        ("http://localhost:1234/v1", "lm_studio"),
        ("http://localhost:8000/v1", "generic"),
        ("https://api.mistral.ai.evil.example/v1", "generic"),
        ("https://notapi.mistral.ai/v1", "generic"),
        ("https://host.example:99999/v1", "generic"),
        ("", "generic"),
    ],
)
def test_an_address_is_recognised_by_its_host_or_usual_port(base_url: str, name: str) -> None:
    assert server_of(session(base_url)).name == name


def test_every_hosted_row_recognises_its_own_address() -> None:
    for server in servers.SERVERS.values():
        if server.base_url.startswith("https://"):
            found = servers.of_address(server.base_url)
            assert found is server, server.name
    assert len({server.label for server in servers.SERVERS.values()}) == len(servers.SERVERS)


def test_an_answer_speaks_for_its_server() -> None:
    assert servers.of_answer({}, frozenset({"library"})) is servers.SERVERS["ollama"]
    assert servers.of_answer({"server": "llama.cpp"}, frozenset()) is servers.SERVERS["llama_cpp"]
    assert servers.of_answer({"server": "nginx"}, frozenset({"somebody", ""})) is None


def test_the_session_wins_over_the_row_and_the_row_over_the_configuration() -> None:
    assert server_of(session(server="groq")).form.max_tokens_field == "max_completion_tokens"
    assert server_of(session(server="groq", max_tokens_field="max_tokens")).form.max_tokens_field == "max_tokens"
    configure(max_tokens_field="max_completion_tokens", think_tags="opened", include_usage=False)
    assert server_of(session()).form.max_tokens_field == "max_completion_tokens"
    assert server_of(session()).think_tags == "opened" and server_of(session()).form.include_usage is False
    assert server_of(session(server="vllm")).form.max_tokens_field == "max_tokens", "its own server is more exact"
    assert server_of(session(think_tags="off")).think_tags == "off"
    configure(server="mistral")
    assert server_of(session("https://api.groq.com/openai/v1")).name == "mistral"
    assert server_of(session(server="auto", base_url="https://api.groq.com/openai/v1")).name == "groq"


def test_a_row_is_resolved_once_and_anew_after_every_change() -> None:
    before = dialect(session(server="vllm"))
    assert dialect(session(server="vllm")) is before, "each request asks several times"
    assert dialect(session(server="vllm", think_tags="tags")).think_tags == "tags"
    assert dialect(session()) is not dialect(session("https://api.mistral.ai/v1"))
    assert dialect(session()).think_tags == "off"
    configure(think_tags="opened")
    assert dialect(session()).think_tags == "opened" and dialect().think_tags == "opened"
    configure(base_url="https://api.mistral.ai/v1")
    assert dialect().request.include_usage is False and dialect(session()).think_tags == "off"


def test_values_that_mean_nothing_here_are_passed_over() -> None:
    found = server_of(session(max_tokens_field="max_words", include_usage="perhaps", server="gone"))
    assert found.form.max_tokens_field == "max_tokens" and found.form.include_usage and found.name == "generic"
    assert server_of(session(unsupported=" seed , ,top_p ")).form.unsupported == {"seed", "top_p"}


def test_options_are_judged_and_a_choice_brings_its_address() -> None:
    checked = options.checked(PROVIDER, "api_key", {"server": "mistral", "unsupported": "seed, stop"})
    assert options.address(PROVIDER, None, checked) == "https://api.mistral.ai/v1"
    with pytest.raises(InvalidOption) as found:
        options.checked(PROVIDER, "none", {"server": "olama"})
    assert found.value.hint == "Did you mean 'ollama'?"
    with pytest.raises(InvalidOption, match="names with commas"):
        options.checked(PROVIDER, "none", {"unsupported": "seed; drop"})


def test_each_option_has_its_setting_by_the_same_name() -> None:
    assert {field.name for field in PROVIDER.settings} <= set(Config.model_fields)
    for field in QUIRKS:
        assert getattr(Config(), field.name) == "", field.name
        for value in field.choices:
            assert getattr(Config(**{field.name: value}), field.name) == value
    with pytest.raises(ValueError, match="Did you mean 'groq'"):
        Config(server="grok")


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
         "max_tokens_field to max_completion_tokens"),
        ("Extra inputs are not permitted body stream_options", "include_usage"),
        ("unknown field parallel_tool_calls", "add parallel_tool_calls to"),
        ("Unexpected message role 'developer'", "system_role"),
        ("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.", "tool_ids"),
        ("The prompt is empty.", ""),
        ("Your stopover is invalid.", ""),
    ],
)  # fmt: skip
def test_advice_on_a_refused_field(said: str, option: str) -> None:
    assert (option in advice(said)) if option else advice(said) == ""


def test_the_page_about_servers_has_every_row() -> None:
    text = DOCS.read_text()
    for server in servers.SERVERS.values():
        assert row(server) in text, f"docs/compatible-servers.md lacks this line:\n{row(server)}"
    assert text.count("\n| `") == len(servers.SERVERS), "a row of a server that is gone"


def row(server: servers.Server) -> str:
    form = server.form
    differs = [form.max_tokens_field]
    differs += [] if form.include_usage else ["usage comes unasked"]
    differs += [f"never sent: {', '.join(sorted(form.unsupported))}"] if form.unsupported else []
    differs += [f"{theirs} for {ours}" for ours, theirs in form.renamed]
    differs += ["no named tool choice"] if not form.named_tool_choice else []
    differs += ["no picture addresses"] if not form.image_urls else []
    differs += ["JSON without a schema"] if form.structured == "json_object" else []
    differs += ["tool ids of nine characters"] if form.ids.length == 9 else []
    differs += [f"reasoning back as {form.reasoning_replay}"] if form.reasoning_replay != "none" else []
    address = f"`{server.base_url}`" if server.base_url else "your own"
    return f"| `{server.name}` | {server.label} | {address} | {'; '.join(differs)} |"
