"""Differences of compatible servers, one row for each kind; nothing here is known by ``if``.

Sources: the recorded traffic (what each accepted and sent), the servers' own documentation, and their source where it
is open. What is not known to be refused is sent. A session's single options override its row.
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
VLLM_EXTRA = ("top_k", "min_p", "repetition_penalty", "structured_outputs", "chat_template_kwargs", "priority")
LLAMA_EXTRA = ("top_k", "min_p", "typical_p", "mirostat", "grammar", "cache_prompt", "chat_template_kwargs")

Facts = Literal["", "ollama", "llama_cpp", "lm_studio", "xai"]


class Server(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One kind of server.

    ``base_url`` is used where a session gives none. ``hosts`` are ends of host names and ``ports`` usual ports (none
    where everybody uses them), by which an address is recognised; ``owned_by`` and ``server`` are words in its list of
    models and in its ``Server`` header. ``key``: whether it wants one. ``form`` is how its requests differ,
    ``think_tags`` whether its reasoning lies in the text. ``adds`` are parameters beyond OpenAI's, for ``extra``.
    ``facts`` names where it tells more of its models than in the list. ``models`` are those of a server without a list.
    """

    name: str
    label: str
    base_url: str = ""
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    owned_by: tuple[str, ...] = ()
    server: str = ""
    key: Literal["needed", "optional"] = "needed"
    form: RequestForm
    think_tags: Literal["off", "tags", "opened"] = "off"
    adds: tuple[str, ...] = ()
    facts: Facts = ""
    models: tuple[str, ...] = ()
    note: str = ""


def _form(**given: object) -> RequestForm:
    """Return the form that nearly every compatible server takes: ``max_tokens``, no ``developer`` role."""
    return msgspec.structs.replace(RequestForm(family=SLUG, max_tokens_field="max_tokens"), **given)


def _without(*names: str, **given: object) -> RequestForm:
    return _form(unsupported=frozenset(names), **given)


SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server(name=GENERIC, label="Another server", key="optional", form=_form()),
        Server(
            name="vllm",
            label="vLLM",
            owned_by=("vllm",),
            key="optional",
            form=_form(),
            adds=VLLM_EXTRA,
            note="The window is max_model_len in the list. An error in a stream is still followed by [DONE].",
        ),
        Server(
            name="ollama",
            label="Ollama",
            base_url="http://127.0.0.1:11434/v1",
            ports=(11434,),
            owned_by=("library",),
            key="optional",
            form=_without("tool_choice", "parallel_tool_calls", image_urls=False, reasoning_replay="reasoning"),
            facts="ollama",
            note="A prompt beyond the allocated window is cut without a word; the window is that of the running model.",
        ),
        Server(
            name="llama_cpp",
            label="llama.cpp",
            base_url="http://127.0.0.1:8080/v1",
            owned_by=("llamacpp",),
            server="llama.cpp",
            key="optional",
            form=_form(named_tool_choice=False, reasoning_replay="content"),
            adds=LLAMA_EXTRA,
            facts="llama_cpp",
            note="A named tool choice is treated as auto there, so it is not sent.",
        ),
        Server(
            name="lm_studio",
            label="LM Studio",
            base_url="http://127.0.0.1:1234/v1",
            ports=(1234,),
            owned_by=("organization_owner",),
            key="optional",
            form=_form(named_tool_choice=False),
            adds=("top_k", "repeat_penalty", "min_p", "ttl"),
            facts="lm_studio",
            note="The first answer waits until the model is loaded.",
        ),
        Server(
            name="mistral",
            label="Mistral",
            base_url="https://api.mistral.ai/v1",
            hosts=("api.mistral.ai",),
            owned_by=("mistralai",),
            # Fields that it does not know are refused (422); usage comes unasked in the last chunk.
            form=_without(
                "reasoning_effort", include_usage=False, ids=NINE_ALPHANUMERICS, renamed=(("seed", "random_seed"),)
            ),
            adds=("safe_prompt", "prompt_mode", "prefix", "random_seed"),
            note="Tool call ids are nine letters and digits.",
        ),
        Server(
            name="groq",
            label="Groq",
            base_url="https://api.groq.com/openai/v1",
            hosts=("api.groq.com",),
            form=_form(max_tokens_field="max_completion_tokens"),
            adds=("reasoning_format", "service_tier", "include_reasoning"),
        ),
        Server(
            name="deepseek",
            label="DeepSeek",
            base_url="https://api.deepseek.com/v1",
            hosts=("api.deepseek.com",),
            owned_by=("deepseek",),
            form=_form(structured="json_object", reasoning_replay="content"),
            adds=("thinking",),
            note="Reasoning goes back within a loop of tool calls only.",
        ),
        Server(
            name="xai",
            label="xAI",
            base_url="https://api.x.ai/v1",
            hosts=("api.x.ai",),
            owned_by=("xai",),
            form=_form(max_tokens_field="max_completion_tokens"),
            adds=("search_parameters", "deferred"),
            facts="xai",
            note="Reasoning tokens are counted beside the completion.",
        ),
        Server(
            name="perplexity",
            label="Perplexity",
            base_url="https://api.perplexity.ai",
            hosts=("api.perplexity.ai",),
            form=_without("tools", "tool_choice", "parallel_tool_calls"),
            adds=("search_domain_filter", "search_recency_filter", "search_mode", "web_search_options"),
            models=("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
            note="It has no list of models and no tools; every chunk repeats the whole message beside its delta.",
        ),
        Server(
            name="together",
            label="Together",
            base_url="https://api.together.xyz/v1",
            hosts=("api.together.xyz", "api.together.ai"),
            form=_form(),
            adds=("top_k", "min_p", "repetition_penalty", "safety_model"),
        ),
        Server(
            name="fireworks",
            label="Fireworks",
            base_url="https://api.fireworks.ai/inference/v1",
            hosts=("api.fireworks.ai",),
            owned_by=("fireworks",),
            form=_form(),
            adds=("top_k", "min_p", "context_length_exceeded_behavior", "prompt_truncate_len"),
        ),
        Server(
            name="cerebras",
            label="Cerebras",
            base_url="https://api.cerebras.ai/v1",
            hosts=("api.cerebras.ai",),
            owned_by=("Cerebras",),
            form=_form(max_tokens_field="max_completion_tokens", reasoning_replay="reasoning"),
            adds=("disable_reasoning", "clear_thinking"),
        ),
        Server(
            name="huggingface",
            label="Hugging Face",
            base_url="https://router.huggingface.co/v1",
            hosts=("router.huggingface.co", "endpoints.huggingface.cloud"),
            form=_form(),
            note="Some of the providers behind it send no [DONE].",
        ),
        Server(
            name="databricks",
            label="Databricks",
            hosts=("azuredatabricks.net", "cloud.databricks.com", "gcp.databricks.com"),
            form=_form(include_usage=False),
            note="The address is https://WORKSPACE/serving-endpoints. Usage is in every chunk.",
        ),
        Server(
            name="snowflake",
            label="Snowflake Cortex",
            hosts=("snowflakecomputing.com",),
            form=_form(
                max_tokens_field="max_completion_tokens", reasoning_field="reasoning", reasoning_replay="details"
            ),
            note="The address is https://ACCOUNT.snowflakecomputing.com/api/v2/cortex/v1. It sends no finish reason.",
        ),
        Server(
            name="zai",
            label="Z.ai",
            base_url="https://api.z.ai/api/paas/v4",
            hosts=("api.z.ai", "open.bigmodel.cn"),
            form=_form(structured="json_object", reasoning_replay="content"),
            adds=("thinking", "do_sample"),
        ),
        Server(
            name="vercel",
            label="Vercel AI Gateway",
            base_url="https://ai-gateway.vercel.sh/v1",
            hosts=("ai-gateway.vercel.sh",),
            form=_form(),
            adds=("providerOptions", "models"),
            note="Reasoning tokens may exceed the completion's.",
        ),
        Server(
            name="cloudflare",
            label="Cloudflare Workers AI",
            hosts=("api.cloudflare.com",),
            form=_form(),
            note="The address is https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1.",
        ),
        Server(
            name="maestro",
            label="Another Maestro",
            owned_by=("maestro",),
            form=_form(max_tokens_field="max_completion_tokens"),
        ),
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
        if any(host == end or host.endswith("." + end) for end in server.hosts):
            return server
    return next((server for server in SERVERS.values() if port in server.ports), None)


def of_answer(headers: Mapping[str, str], owners: frozenset[str]) -> Server | None:
    """Recognise the kind by an answer to the list of models: header names in lower case, words of ``owned_by``."""
    software = headers.get("server", "").lower()
    for server in SERVERS.values():
        if (server.server and server.server in software) or owners & frozenset(server.owned_by):
            return server
    return None
