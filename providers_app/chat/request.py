"""Builds the ``ChatRequest`` from the arguments of a call, and validates parameters without sending anything."""

from collections.abc import Iterable, Mapping
from typing import Any

from providers_app import conf, ports
from providers_app.advice import fitting
from providers_app.advice.values import checked_model
from providers_app.chat import stored_media
from providers_app.chat.messages import MessagesInput, parse_messages
from providers_app.chat.parameters import parse_params, parse_tool_choice, parse_tools
from providers_app.dispatch.faults import faults_of
from providers_app.errors import InvalidRequest
from providers_app.ports import Owner
from providers_app.registry.discovery import registry
from providers_app.text import quoted
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatRequest, ImagePart, Message, Tool, ToolChoice
from providers_app.types.credentials import Credential

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
    strict: bool | None = None,
    params: Mapping[str, Any],
) -> ChatRequest:
    """Return the request of these arguments; a context's messages come before ``messages``.

    ``strict`` of ``None`` is the configured default.

    Raises ``EmptyPrompt``, ``InvalidRequest``, ``UnknownProvider``, ``ProviderBroken``, ``UnknownContext``.
    """
    before: tuple[Message, ...] = ()
    if context_id is not None:
        before = await ports.context_store().messages(owner, context_id)
    parsed = parse_messages(messages, system=system, before=before)
    if any(isinstance(part, ImagePart) and part.ref for message in parsed for part in message.parts):
        parsed = await stored_media.load(owner, parsed)
    parsed_tools = () if tools is None else parse_tools(tools)
    return ChatRequest(
        model=model_name(provider, model),
        messages=parsed,
        tools=parsed_tools,
        tool_choice=ToolChoice() if tool_choice is None else parse_tool_choice(tool_choice, parsed_tools),
        params=parse_params(params),
        stream=stream,
        strict=conf.current().strict_parameters if strict is None else bool(strict),
        context_id=context_id,
    )


def check_timeout(seconds: float) -> None:
    """Raise ``InvalidRequest`` unless the time-out is a positive number of seconds up to a week."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_TIMEOUT_S:
        raise InvalidRequest(f"timeout must be a positive number of seconds up to a week, not {quoted(seconds)}.")


def validate_parameters(
    provider: str,
    model: str,
    params: Mapping[str, Any],
    *,
    tools: ToolsInput | None = None,
    tool_choice: ToolChoiceInput | None = None,
    credential: Credential | None = None,
    session: str = "",
    known: ModelInfo | None = None,
) -> list[Advice]:
    """Return what would be refused, left out or changed, and what could be better, errors first. Nothing is sent.

    ``credential`` gives the kind of login and its settings (its secret is not read); without it the provider's own
    settings hold. ``session`` is the session's name, and ``known`` the entry of its model list, for figures that no
    file has.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``ProviderBroken``, ``InvalidRequest`` (no model, tools that
    are none).
    """
    if not isinstance(params, Mapping):
        raise InvalidRequest(f"params must be a dictionary, not {quoted(params)}.")
    name, parsed = model_name(provider, model), parse_tools(tools)
    with faults_of(provider):
        return fitting.validate(
            provider,
            name,
            params,
            tools=parsed,
            tool_choice=parse_tool_choice(tool_choice, parsed),
            credential=credential,
            session=session,
            known=known,
        )


def model_name(provider: str, model: str | None) -> str:
    """Return the named model, else the provider's configured default. Raises ``InvalidRequest``."""
    card = registry.card(provider)
    if model is None or model == "":
        model = getattr(conf.provider(provider), "default_model", "") or card.default_model
    if not model:
        raise InvalidRequest(
            f"No model was given, and {card.name} has no default model.",
            hint=f"Pass model=, or set MAESTRO_PROVIDERS__{provider.upper()}__DEFAULT_MODEL.",
        )
    return checked_model(model)
