"""Differences of compatible servers, one row for each kind; nothing here is known by ``if``.

Sources: the recorded traffic (what each accepted and sent), the servers' own documentation, and their source where it
is open. What is not known to be refused is sent. A session's single options override its row. The page
``docs/compatible-servers.md`` shows each row with what else is known of that server.
"""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from providers_app.dialects.openai_chat import RequestForm
from providers_app.dialects.tool_forms import NINE_ALPHANUMERICS

SLUG = "remote"
AUTO = "auto"
GENERIC = "generic"


def _form(**given: object) -> RequestForm:
    """Return the form that nearly every compatible server takes: ``max_tokens``, no ``developer`` role."""
    return msgspec.structs.replace(RequestForm(family=SLUG, max_tokens_field="max_tokens"), **given)


def _without(*names: str, **given: object) -> RequestForm:
    return _form(unsupported=frozenset(names), **given)


class Server(msgspec.Struct, frozen=True, cache_hash=True):
    """One kind of server.

    ``base_url`` is used where a session gives none. ``hosts`` are ends of host names besides that of an https
    ``base_url``, and ``ports`` usual ports (none where they are common), by which an address is recognised;
    ``owned_by`` and ``server`` are words in its list of models and in its ``Server`` header. ``form`` is how its
    requests differ, ``think_tags`` whether its reasoning lies in the text. ``facts`` names where it tells more of its
    models than in the list. ``models`` are those of a server without a list. ``prefix_path`` is the path of the base
    URL for requests that go on behind an answer's own text, where that is another one.
    """

    name: str
    label: str
    base_url: str = ""
    form: RequestForm = _form()
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    owned_by: tuple[str, ...] = ()
    server: str = ""
    think_tags: Literal["off", "tags", "opened"] = "off"
    facts: Literal["", "ollama", "llama_cpp", "lm_studio", "xai"] = ""
    models: tuple[str, ...] = ()
    prefix_path: str = ""

    @property
    def ends(self) -> tuple[str, ...]:
        """All ends of host names by which an address is recognised."""
        own = urlsplit(self.base_url)
        return (*self.hosts, own.netloc) if own.scheme == "https" else self.hosts


_NEWER = _form(max_tokens_field="max_completion_tokens")
_CONTENT = _form(structured="json_object", reasoning_replay="content")
SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server(GENERIC, "Another server"),
        Server("vllm", "vLLM", "http://127.0.0.1:8000/v1", _form(prefix="final"), owned_by=("vllm",)),
        Server(
            "ollama",
            "Ollama",
            "http://127.0.0.1:11434/v1",
            _without("tool_choice", "parallel_tool_calls", image_urls=False, reasoning_replay="reasoning"),
            ports=(11434,),
            owned_by=("library",),
            facts="ollama",
        ),
        Server(
            "llama_cpp",
            "llama.cpp",
            "http://127.0.0.1:8080/v1",
            # A named choice is treated as auto there.
            _form(named_tool_choice=False, reasoning_replay="content", prefix="last"),
            owned_by=("llamacpp",),
            server="llama.cpp",
            facts="llama_cpp",
        ),
        Server(
            "lm_studio",
            "LM Studio",
            "http://127.0.0.1:1234/v1",
            _form(named_tool_choice=False),
            ports=(1234,),
            owned_by=("organization_owner",),
            facts="lm_studio",
        ),
        Server(
            "mistral",
            "Mistral",
            "https://api.mistral.ai/v1",
            # Fields that it does not know are refused (422); usage comes unasked in the last chunk.
            _without(
                "reasoning_effort",
                include_usage=False,
                ids=NINE_ALPHANUMERICS,
                renamed=(("seed", "random_seed"),),
                prefix="flag",
                echo=True,
            ),
            owned_by=("mistralai",),
        ),
        Server("groq", "Groq", "https://api.groq.com/openai/v1", _NEWER),
        Server(
            "deepseek",
            "DeepSeek",
            "https://api.deepseek.com/v1",
            _form(structured="json_object", reasoning_replay="content", prefix="flag"),
            owned_by=("deepseek",),
            prefix_path="/beta",
        ),
        Server("xai", "xAI", "https://api.x.ai/v1", _NEWER, owned_by=("xai",), facts="xai"),
        Server(
            "perplexity",
            "Perplexity",
            "https://api.perplexity.ai",
            _without("tools", "tool_choice", "parallel_tool_calls"),
            models=("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
        ),
        Server("together", "Together", "https://api.together.xyz/v1", hosts=("api.together.ai",)),
        Server("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", owned_by=("fireworks",)),
        Server(
            "cerebras",
            "Cerebras",
            "https://api.cerebras.ai/v1",
            _form(max_tokens_field="max_completion_tokens", reasoning_replay="reasoning"),
            owned_by=("Cerebras",),
        ),
        Server(
            "huggingface", "Hugging Face", "https://router.huggingface.co/v1", hosts=("endpoints.huggingface.cloud",)
        ),
        Server(
            "databricks",
            "Databricks",
            form=_form(include_usage=False),
            hosts=("azuredatabricks.net", "cloud.databricks.com", "gcp.databricks.com"),
        ),
        Server(
            "snowflake",
            "Snowflake Cortex",
            form=_form(
                max_tokens_field="max_completion_tokens", reasoning_field="reasoning", reasoning_replay="details"
            ),
            hosts=("snowflakecomputing.com",),
        ),
        Server("zai", "Z.ai", "https://api.z.ai/api/paas/v4", _CONTENT, hosts=("open.bigmodel.cn",)),
        Server("vercel", "Vercel AI Gateway", "https://ai-gateway.vercel.sh/v1"),
        Server("cloudflare", "Cloudflare Workers AI", hosts=("api.cloudflare.com",)),
        Server("maestro", "Another Maestro", form=_NEWER, owned_by=("maestro",)),
    )
}


def of_address(base_url: str) -> Server | None:
    """Recognise the kind by the host of an address, else by its usual port. A hint, from the address alone."""
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    for server in SERVERS.values():
        if any(host == end or host.endswith("." + end) for end in server.ends):
            return server
    return next((server for server in SERVERS.values() if port in server.ports), None)


def of_answer(headers: Mapping[str, str], owners: frozenset[str]) -> Server | None:
    """Recognise the kind by an answer to the list of models: header names in lower case, words of ``owned_by``."""
    software = headers.get("server", "").lower()
    for server in SERVERS.values():
        if (server.server and server.server in software) or owners & frozenset(server.owned_by):
            return server
    return None
