"""What ``generateContent`` accepts, and what was asked in it."""

import base64
import hashlib
import json
from typing import Any

from tests.vendors import going_on
from tests.vendors.script import Ask
from tests.vendors.shapes import (
    Check,
    Path,
    Violation,
    anything,
    array,
    boolean,
    integer,
    mapping,
    number,
    obj,
    one_of,
    rule,
    text,
)

NAME = r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
PLACEHOLDER = "skip_thought_signature_validator"
_PART_FIELDS = obj(
    {},
    {
        "text": text(),
        "inlineData": obj({"mimeType": text(at_least=3), "data": text(at_least=1)}),
        "fileData": obj({"fileUri": text(at_least=1)}, {"mimeType": text()}),
        "functionCall": obj({"name": text(pattern=NAME)}, {"args": mapping, "id": text()}),
        "functionResponse": obj({"name": text(pattern=NAME), "response": mapping}, {"id": text()}),
        "thought": boolean,
        "thoughtSignature": text(),
    },
)


def part(value: Any, path: Path) -> None:
    """Exactly one data field."""
    _PART_FIELDS(value, path)
    count = sum(name in value for name in DATA)
    where = ".".join(str(step) for step in path)
    said = f"* {where}.data: required oneof field 'data' must have one initialized field"
    rule(count == 1, path, said)


_SCHEMA_FIELDS = (
    *(
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "required",
        "minProperties",
    ),
    *(
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "default",
        "propertyOrdering",
        "minimum",
        "maximum",
    ),
)


def openapi_schema(value: Any, path: Path) -> None:
    """The OpenAPI subset: no ``$ref``, ``additionalProperties``, ``oneOf`` or ``const``."""
    nested: dict[str, Check] = {"items": openapi_schema, "anyOf": array(openapi_schema), "properties": _properties}
    obj({}, {**dict.fromkeys(_SCHEMA_FIELDS, anything), **nested})(value, path)


def _properties(value: Any, path: Path) -> None:
    mapping(value, path)
    for name, inner in value.items():
        openapi_schema(inner, (*path, name))


DECLARATION = obj(
    {"name": text(pattern=NAME)},
    {
        "description": text(),
        "parameters": openapi_schema,
        "parametersJsonSchema": mapping,
        "response": openapi_schema,
        "behavior": one_of("BLOCKING", "NON_BLOCKING"),
    },
)
GENERATION = obj(
    {},
    {
        "temperature": number(0, 2),
        "topP": number(0, 1),
        "topK": number(1),
        "maxOutputTokens": integer(1),
        "candidateCount": integer(1, 8),
        "stopSequences": array(text(at_least=1), at_most=5),
        "seed": integer(),
        "presencePenalty": number(-2, 2),
        "frequencyPenalty": number(-2, 2),
        "responseMimeType": one_of("text/plain", "application/json", "text/x.enum"),
        "responseSchema": openapi_schema,
        "responseJsonSchema": mapping,
        "responseModalities": array(one_of("TEXT", "IMAGE", "AUDIO")),
        "thinkingConfig": obj(
            {},
            {
                "includeThoughts": boolean,
                "thinkingBudget": integer(-1),
                "thinkingLevel": one_of("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
            },
        ),
    },
)
CONTENT = obj({"parts": array(part)}, {"role": text()})
FIELDS = {
    "systemInstruction": obj({"parts": array(part)}, {"role": text()}),
    "tools": array(obj({}, {"functionDeclarations": array(DECLARATION)})),
    "toolConfig": obj(
        {},
        {
            "functionCallingConfig": obj(
                {}, {"mode": one_of("AUTO", "ANY", "NONE", "VALIDATED"), "allowedFunctionNames": array(text())}
            )
        },
    ),
    "safetySettings": array(obj({"category": text(), "threshold": text()})),
    "cachedContent": text(),
    "generationConfig": GENERATION,
    "continuationToken": text(),
}
BODY = obj({}, {"contents": array(CONTENT), **FIELDS})
COUNT_BODY = obj(
    {},
    {
        "contents": array(CONTENT),
        "generateContentRequest": obj({"model": text(pattern="models/.+")}, {"contents": array(CONTENT), **FIELDS}),
    },
)


def signature(name: str, arguments: dict[str, Any]) -> str:
    """The opaque value that goes with a function call and has to come back with it."""
    sealed = hashlib.sha256(json.dumps([name, arguments], sort_keys=True).encode()).digest()
    return base64.b64encode(sealed * 2).decode()


def check_contents(body: dict[str, Any], base: str) -> None:
    """The rules between fields and contents. Raises ``Violation``."""
    contents = body.get("contents", [])
    rule(bool(contents), ("contents",), "* GenerateContentRequest.contents: contents is not specified")
    roles = [content.get("role", "user") for content in contents]
    for position, role in enumerate(roles):
        rule(role in ("user", "model", "function"), ("contents", position), "Please use a valid role: user, model.")
        where = f"GenerateContentRequest.contents[{position}].parts"
        rule(bool(contents[position]["parts"]), ("contents", position), f"* {where}: contents.parts must not be empty.")
    rule(roles[-1] != "model", ("contents",), "Please ensure that single turn requests end with a user role.")
    _check_calls(contents, roles)
    if base.startswith("gemini-3"):
        _check_signatures(contents, roles)
    config = body.get("generationConfig", {})
    thinking = config.get("thinkingConfig", {})
    both = "thinkingBudget" in thinking and "thinkingLevel" in thinking
    rule(not both, ("generationConfig",), "You can only set one of thinking budget and thinking level.")
    leveled = "thinkingLevel" in thinking and not base.startswith("gemini-3")
    rule(not leveled, ("generationConfig",), "Thinking level is not supported for this model.")
    shaped = "responseSchema" in config or "responseJsonSchema" in config
    said = "Response schema needs response_mime_type: 'application/json'."
    rule(not shaped or config.get("responseMimeType") == "application/json", ("generationConfig",), said)
    names = [one["name"] for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    rule(len(names) == len(set(names)), ("tools",), "Duplicate function declaration found.")
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    allowed = calling.get("allowedFunctionNames", [])
    rule(set(allowed) <= set(names), ("tool_config",), "allowed_function_names names an undeclared function.")
    rule(not allowed or calling.get("mode") in ("ANY", "VALIDATED"), ("tool_config",), "mode must be ANY with names.")


def _names(content: dict[str, Any], field: str) -> list[str]:
    return [one[field]["name"] for one in content["parts"] if field in one]


def _check_calls(contents: list[dict[str, Any]], roles: list[str]) -> None:
    waiting: list[str] = []
    for position, content in enumerate(contents):
        answers = _names(content, "functionResponse")
        where: Path = ("contents", position)
        if answers and not waiting:
            said = "Please ensure that function response turn comes immediately after a function call turn."
            raise Violation(where, "rule", detail=said)
        said = "Please ensure that the number of function response parts is equal to the number of function call parts."
        rule(len(answers) == len(waiting), where, said)
        rule(answers == waiting, where, "Function responses must carry the names of the calls, in their order.")
        waiting = _names(content, "functionCall")
        rule(not waiting or roles[position] == "model", where, "Only a model turn may hold function calls.")
        rule(not answers or roles[position] != "model", where, "A model turn may not hold function responses.")


def _check_signatures(contents: list[dict[str, Any]], roles: list[str]) -> None:
    asked = [n for n, content in enumerate(contents) if roles[n] == "user" and not _names(content, "functionResponse")]
    for position in range(max(asked, default=0), len(contents)):
        calls = [one for one in contents[position]["parts"] if "functionCall" in one]
        if not calls:
            continue
        given = calls[0].get("thoughtSignature")
        said = "Function call is missing a thought_signature in functionCall parts."
        rule(given is not None, ("contents", position), said)
        call = calls[0]["functionCall"]
        fits = given in (PLACEHOLDER, signature(call["name"], call.get("args", {})))
        rule(fits, ("contents", position), "Corrupted thought signature.")


def read_ask(body: dict[str, Any]) -> Ask:
    """The request in neutral words."""
    contents = body["contents"]
    last = contents[-1]["parts"]
    config = body.get("generationConfig", {})
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    allowed = calling.get("allowedFunctionNames", [])
    declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    answers = [one["functionResponse"]["response"] for one in last if "functionResponse" in one]
    roles = {"user": "user", "model": "assistant"}
    texts = [
        (roles[content.get("role", "user")], " ".join(one["text"] for one in content["parts"] if "text" in one))
        for content in contents
    ]
    answered = any("functionResponse" in one for one in last)
    given = {"last_text": texts[-1][1]} if answered else going_on.read(texts, prefix=False)
    return Ask(
        **given,
        prompt_chars=len(json.dumps([contents, body.get("systemInstruction"), declared], ensure_ascii=False)),
        tools=tuple(
            (one["name"], _lower(one.get("parametersJsonSchema") or one.get("parameters") or {})) for one in declared
        ),
        tool_mode={"ANY": "required", "NONE": "none"}.get(calling.get("mode", "AUTO"), "auto"),  # type: ignore[arg-type]
        tool_name=allowed[0] if len(allowed) == 1 else None,
        answered_tools=tuple(" ".join(str(value) for value in answer.values()) for answer in answers),
        schema=_lower(config.get("responseJsonSchema") or config.get("responseSchema")),
        max_tokens=config.get("maxOutputTokens"),
        stops=tuple(config.get("stopSequences", ())),
        reasoning=config.get("thinkingConfig", {}).get("includeThoughts", False),
    )


def _lower(schema: Any) -> Any:
    """A schema with JSON Schema's lower-case type names (``STRING`` is ``string``)."""
    if isinstance(schema, dict):
        lowered = {key: _lower(value) for key, value in schema.items()}
        if isinstance(lowered.get("type"), str):
            lowered["type"] = lowered["type"].lower()
        return lowered
    return [_lower(value) for value in schema] if isinstance(schema, list) else schema
