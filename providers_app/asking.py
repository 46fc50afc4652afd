"""From what a caller passes to the ``ChatRequest`` that dialects build from."""

from collections.abc import Iterable, Mapping
from typing import Any

from providers_app import conf, ports
from providers_app.errors import InvalidRequest
from providers_app.messages import MessagesInput, parse_messages
from providers_app.parameters import parse_params, parse_tool_choice, parse_tools
from providers_app.ports import Owner
from providers_app.quoting import quoted
from providers_app.registry import registry
from providers_app.resolver import resolve
from providers_app.types.chat import ChatRequest, Message, Tool, ToolChoice

MAX_MODEL = 200
MAX_TIMEOUT_S = 7 * 24 * 3600

ToolsInput = Iterable[Tool | Mapping[str, Any]]
ToolChoiceInput = str | Mapping[str, Any] | ToolChoice


async def build_chat(
    owner: Owner,
    provider: str,
    messages: MessagesInput | None,
    *,
    model: str | None,
    system: str | None = None,
    tools: ToolsInput | None = None,
    tool_choice: ToolChoiceInput | None = None,
    context_id: str | None = None,
    stream: bool = True,
    params: Mapping[str, Any],
) -> ChatRequest:
    """The request that these arguments ask for; a context's messages come before ``messages``.

    Raises ``EmptyPrompt``, ``InvalidRequest``, ``UnknownProvider``, ``ProviderBroken``, ``UnknownContext``.
    """
    before: tuple[Message, ...] = ()
    if context_id is not None:
        before = await ports.context_store().messages(owner, context_id)
    parsed_tools = parse_tools(tools)
    return ChatRequest(
        model=model_name(provider, model),
        messages=parse_messages(messages, system=system, before=before),
        tools=parsed_tools,
        tool_choice=parse_tool_choice(tool_choice, parsed_tools),
        params=parse_params(params),
        stream=stream,
    )


def check_timeout(seconds: float | None) -> None:
    """Raises ``InvalidRequest`` for a deadline that is not a positive number of seconds."""
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_TIMEOUT_S:
        raise InvalidRequest(f"timeout must be a positive number of seconds up to a week, not {quoted(seconds)}.")


def names_of(given: Any, what: str) -> tuple[str, ...]:
    """Names that were given as a collection, or one by itself. Raises ``InvalidRequest``."""
    if isinstance(given, str):
        return (given,)
    names = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequest(f"{what} must be a list of names, not {quoted(given)}.")
    return names


def ignored_params(provider: str) -> tuple[str, ...]:
    """The parameters that the provider's wire format has no place for.

    Raises ``UnknownProvider``, ``ProviderBroken``.
    """
    ignored: tuple[str, ...] = getattr(resolve(provider, "streaming").dialect, "ignored_params", ())
    return ignored


def model_name(provider: str, model: str | None) -> str:
    """The model that is asked: the named one, else the provider's configured default. Raises ``InvalidRequest``."""
    card = registry.card(provider)
    if model is None or model == "":
        model = getattr(conf.provider(provider), "default_model", "") or card.default_model
    if not model:
        raise InvalidRequest(
            f"No model was named, and {card.name} has no default model.",
            hint=f"Pass model=, or set MAESTRO_PROVIDERS__{provider.upper()}__DEFAULT_MODEL.",
        )
    return checked_model(model)


def checked_model(model: Any) -> str:
    """``model`` when it can be the name of one. Raises ``InvalidRequest``."""
    fine = isinstance(model, str) and 0 < len(model) <= MAX_MODEL and model.isprintable() and model == model.strip()
    if not fine:
        raise InvalidRequest(f"The model must be a name of at most {MAX_MODEL} printable characters.")
    return str(model)
