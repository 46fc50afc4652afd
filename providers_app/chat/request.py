"""The arguments of a call, checked and typed: parameters, tools, the tool choice, and the whole ``ChatRequest``."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from providers_app import conf, ports
from providers_app.advice import fitting, values
from providers_app.chat import stored_media
from providers_app.chat.messages import MessagesInput, parse_messages
from providers_app.dispatch.faults import faults_of
from providers_app.errors import InvalidParameter, InvalidRequest
from providers_app.ports import Owner
from providers_app.registry.discovery import registry
from providers_app.text import nearest, quoted
from providers_app.types import intent_rules
from providers_app.types.advice import Advice
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import ChatParams, ChatRequest, ImagePart, Message, Tool, ToolChoice
from providers_app.types.credentials import Credential

TOOL_NAME_MAX = 128
TOOL_NAME = re.compile(rf"[A-Za-z0-9_.:-]{{1,{TOOL_NAME_MAX}}}")
TOOL_MODES = ("auto", "none", "required")
MAX_TIMEOUT_S = 7 * 24 * 3600
MAX_RETRIES = 10

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
    resumable: bool = False,
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
        resumable=bool(resumable),
    )


def check_control(timeout: float | None = None, max_retries: int | None = None) -> tuple[float | None, int | None]:
    """Return both unchanged. Raise ``InvalidRequest`` unless each is ``None``, 0 (off) or a number within its range.

    A time-out has up to a week of seconds; there are up to ``MAX_RETRIES`` retries.
    """
    if timeout is not None:
        number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if not number or not 0 <= timeout <= MAX_TIMEOUT_S:
            what = f"timeout must be a number of seconds up to a week, or 0 for none, not {quoted(timeout)}."
            raise InvalidRequest(what)
    if max_retries is not None:
        number = isinstance(max_retries, int) and not isinstance(max_retries, bool)
        if not number or not 0 <= max_retries <= MAX_RETRIES:
            raise InvalidRequest(f"max_retries must be a number from 0 to {MAX_RETRIES}, not {quoted(max_retries)}.")
    return timeout, max_retries


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

    ``credential`` gives the kind of login and its settings (without it, those of the provider); ``session`` is the
    session's name, ``known`` the entry of its model list.

    Raises ``UnknownProvider``, ``UnsupportedOperation``, ``ProviderBroken``, ``InvalidRequest``.
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
    return values.checked_model(model)


def parse_params(params: Mapping[str, Any]) -> ChatParams:
    """Return parameters as the dialects take them. Raises ``InvalidParameter`` with all problems."""
    wrong = values.check(params)
    if wrong:
        raise InvalidParameter(wrong)
    return ChatParams(**values.canonical(params))


def parse_tools(tools: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Return ``Tool`` values from such or from dictionaries (flat, or in ``function``). Raises ``InvalidRequest``."""
    if not isinstance(tools or (), Iterable):
        raise InvalidRequest(f"tools must be a list, not {type(tools).__name__}.")
    found: dict[str, Tool] = {}
    for number, item in enumerate(tools or (), start=1):
        tool = _tool(number, item)
        if tool.name in found:
            raise InvalidRequest(f"There are two tools named {tool.name!r}.")
        found[tool.name] = tool
    return tuple(found.values())


def parse_tool_choice(choice: str | Mapping[str, Any] | ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice:
    """Parse ``auto``, ``none``, ``required``, a tool's name, or OpenAI's object with one. Raises ``InvalidRequest``."""
    if choice is None:
        return ToolChoice()
    if isinstance(choice, ToolChoice):
        parsed = choice
    elif isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        parsed = ToolChoice("tool", str(name)) if name else ToolChoice(choice.get("type", "auto"))
    elif choice in TOOL_MODES:
        parsed = ToolChoice(choice)  # type: ignore[arg-type]
    else:
        parsed = ToolChoice("tool", str(choice))
    if parsed.mode == "tool" and parsed.name not in {tool.name for tool in tools}:
        message = f"tool_choice names the tool {quoted(parsed.name)}, which is not among the tools."
        raise InvalidRequest(message, hint=nearest(str(parsed.name), [tool.name for tool in tools], all_of="Tools"))
    if parsed.mode not in (*TOOL_MODES, "tool"):
        known = f"Known: {', '.join(TOOL_MODES)}."
        raise InvalidRequest(f"tool_choice {quoted(parsed.mode)} is not known.", hint=known)
    if parsed.mode == "required" and not tools:
        raise InvalidRequest("tool_choice is 'required', but there are no tools.")
    return parsed


def _tool(number: int, item: Any) -> Tool:
    if isinstance(item, Tool):
        tool = item
    else:
        body = item.get("function", item) if isinstance(item, Mapping) else None
        if not isinstance(body, Mapping):
            raise InvalidRequest(f"Tool {number} must be a Tool or a dictionary, not {type(item).__name__}.")
        parameters = body.get("parameters", body.get("input_schema"))
        parameters = {"type": "object", "properties": {}} if parameters is None else parameters
        if not isinstance(parameters, Mapping):
            raise InvalidRequest(f"Tool {number}: parameters must be a JSON Schema object.")
        tool = Tool(
            name=str(body.get("name") or ""),
            description=str(body.get("description") or ""),
            parameters=dict(parameters),
            strict=body.get("strict"),
            **_declared(number, item, body),
        )
    if not isinstance(tool.name, str) or not TOOL_NAME.fullmatch(tool.name):
        raise InvalidRequest(f"Tool {number} has no valid name: 1 to {TOOL_NAME_MAX} of A-Z, a-z, 0-9, _ - . and :.")
    if not isinstance(tool.description, str) or not isinstance(tool.parameters, dict):
        raise InvalidRequest(f"Tool {number} needs a text as description and a JSON Schema object as parameters.")
    if not isinstance(tool.strict, bool | None):
        raise InvalidRequest(f"Tool {number}: strict must be true or false.")
    if not all(isinstance(flag, bool | None) for flag in (tool.read_only, tool.destructive, tool.ask_intent)):
        raise InvalidRequest(f"Tool {number}: read_only, destructive and ask_intent must be true or false.")
    if tool.intent is not None:
        intent = intent_rules.parse_intent(tool.intent, f"The intent of tool {number}")
        tool = msgspec.structs.replace(tool, intent=intent)
    intent_rules.check_tool(tool)
    return tool


def _declared(number: int, item: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the intent that a dictionary declares, in Maestro's fields or in the ``annotations`` of MCP."""
    given = {**body, **item}
    hints = given["annotations"] if isinstance(given.get("annotations"), Mapping) else {}
    read_only = given.get("read_only", hints.get("readOnlyHint"))
    destructive = given.get("destructive", hints.get("destructiveHint"))
    if (intent := given.get("intent")) is not None:
        risk = intent_rules.rule_risk(read_only, destructive)
        intent = intent_rules.parse_intent(intent, f"The intent of tool {number}", risk=risk)
    flags = {"read_only": read_only, "destructive": destructive, "ask_intent": given.get("ask_intent", False)}
    return {"intent": intent, **flags}
