"""Judge request bodies by the types of the official SDKs. Runs in an environment of its own and imports no Maestro.

    python tests/contract/validate.py corpus.json [--write docs/contract.md]

The SDKs' request types are TypedDicts (OpenAI, Anthropic) and pydantic models (Google, Mistral). They are judged by
pydantic, strictly: no field that the type does not have, no value of another type, at any depth. What a provider adds
to somebody else's format by its own documentation is named in the case (``beyond``) and taken out first.
"""

import argparse
import collections
import collections.abc
import importlib
import json
import pkgutil
import sys
import typing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typing_extensions
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

PACKAGES = ("openai", "anthropic", "google-genai", "mistralai", "pydantic")
FORBID = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_done: set[type] = set()


def strict(kind: Any) -> Any:
    """The type with every TypedDict in it closed to unknown fields, and lists that are looked into."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and typing_extensions.is_typeddict(kind):
        return _closed(kind)
    if isinstance(kind, typing.TypeAliasType if sys.version_info >= (3, 12) else typing_extensions.TypeAliasType):
        return strict(kind.__value__)
    if origin is None:
        return kind
    if origin in (typing.Union, getattr(__import__("types"), "UnionType", None)):
        return typing.Union[tuple(strict(one) for one in inner)]  # noqa: UP007
    name = getattr(origin, "__name__", "")
    if origin in (collections.abc.Iterable, collections.abc.Sequence, list) or name == "SequenceNotStr":
        return list[strict(inner[0])]  # type: ignore[misc]
    if origin is dict or origin is collections.abc.Mapping:
        return dict[strict(inner[0]), strict(inner[1])]  # type: ignore[misc]
    if origin is typing.Annotated:
        return strict(inner[0])
    if origin in (typing_extensions.Required, typing.Required, typing_extensions.NotRequired, typing.NotRequired):
        return origin[strict(inner[0])]
    return kind


def _closed(kind: Any) -> Any:
    if kind in _done:
        return kind
    _done.add(kind)
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    kind.__annotations__ = {name: _field(kind, name, strict(hint)) for name, hint in hints.items()}
    kind.__pydantic_config__ = FORBID
    return kind


def _field(kind: Any, name: str, hint: Any) -> Any:
    if typing.get_origin(hint) in (typing_extensions.Required, typing.Required):
        hint = typing.get_args(hint)[0]
    return typing_extensions.Required[hint] if name in kind.__required_keys__ else typing_extensions.NotRequired[hint]


def closed_models(package: str) -> None:
    """Close the pydantic models of a package (Mistral's ignore what they do not know)."""
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel:
                value.model_config = {**value.model_config, "extra": "forbid"}
                value.__pydantic_complete__ = False


class Judges:
    """One judge for each kind of body."""

    def __init__(self) -> None:
        from anthropic.types import message_create_params as anthropic
        from google.genai import types as google
        from openai.types.chat import completion_create_params as chat
        from openai.types.responses import response_create_params as responses

        self._streamed = {
            "openai.chat": TypeAdapter(strict(chat.CompletionCreateParamsStreaming)),
            "openai.responses": TypeAdapter(strict(responses.ResponseCreateParamsStreaming)),
            "anthropic.messages": TypeAdapter(strict(anthropic.MessageCreateParamsStreaming)),
        }
        self._whole = {
            "openai.chat": TypeAdapter(strict(chat.CompletionCreateParamsNonStreaming)),
            "openai.responses": TypeAdapter(strict(responses.ResponseCreateParamsNonStreaming)),
            "anthropic.messages": TypeAdapter(strict(anthropic.MessageCreateParamsNonStreaming)),
        }
        self._google = {
            "contents": TypeAdapter(list[google.Content]),
            "systemInstruction": TypeAdapter(google.Content),
            "tools": TypeAdapter(list[google.Tool]),
            "toolConfig": TypeAdapter(google.ToolConfig),
            "generationConfig": TypeAdapter(google.GenerationConfig),
        }
        closed_models("mistralai.client.models")
        from mistralai.client import models as mistral

        self._mistral = TypeAdapter(mistral.ChatCompletionRequest)

    def problems(self, kind: str, body: dict[str, Any]) -> list[str]:
        """What the type says against a body; nothing when it fits."""
        if kind == "mistral.chat":
            return _judged(self._mistral, body, is_json=True)
        if kind != "gemini.generate":
            judges = self._streamed if body.get("stream") else self._whole
            return _judged(judges[kind], body)
        found = [f"{name}: no such field" for name in body if name not in self._google]
        for name, judge in self._google.items():
            if name in body:
                found += [f"{name}.{problem}" for problem in _judged(judge, body[name], is_json=True)]
        return found


def _judged(judge: TypeAdapter[Any], value: Any, *, is_json: bool = False) -> list[str]:
    try:
        # Models have enums and bytes, which JSON has as text; TypedDicts have JSON's own types.
        judge.validate_json(json.dumps(value), strict=True) if is_json else judge.validate_python(value, strict=True)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return []


def without(body: Any, path: list[str]) -> None:
    """Take a field out; ``*`` stands for every element."""
    head, *rest = path
    if head == "*":
        for one in body:
            without(one, rest)
    elif not rest:
        body.pop(head, None)
    elif head in body:
        without(body[head], rest)


def selftest(judges: Judges, cases: list[dict[str, Any]]) -> list[str]:
    """A judge that lets anything pass judges nothing: spoilt bodies have to be refused."""
    found = []
    for case in {case["kind"]: case for case in cases}.values():
        # Deep enough to show that what is nested is judged too.
        spoilt = json.loads(json.dumps(case["body"]))
        where = next(name for name in ("messages", "input", "contents") if name in spoilt)
        spoilt[where][0]["no_such_field"] = 1
        for path in case.get("beyond", ()):
            without(spoilt, path.split("."))
        if not judges.problems(case["kind"], spoilt):
            found.append(f"{case['kind']}: an unknown field in {where}[0] was not noticed")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--write", type=Path, help="also write the result to this page")
    options = parser.parse_args()
    corpus = json.loads(options.corpus.read_text())
    judges = Judges()
    problems = selftest(judges, corpus["cases"])
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for case in corpus["cases"]:
        body = case["body"]
        for path in case.get("beyond", ()):
            without(body, path.split("."))
        body.update(case.get("adds", {}))
        counts[case["provider"], case["kind"]] += 1
        problems += [f"{case['name']} ({case['kind']}): {one}" for one in judges.problems(case["kind"], body)]
    for problem in problems:
        print(problem, file=sys.stderr)
    text = page(counts, corpus, len(problems))
    print(text)
    if options.write:
        options.write.write_text(text)
    return 1 if problems else 0


def page(counts: "collections.Counter[tuple[str, str]]", corpus: dict[str, Any], problems: int) -> str:
    """The result as a page."""
    sdks = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    rows = [f"| {provider} | {kind} | {number} |" for (provider, kind), number in sorted(counts.items())]
    refused = [f"| {one['name']} | {one['why']} |" for one in corpus["refused"]]
    taken_out = {one["provider"]: ", ".join(f"`{path}`" for path in one["beyond"]) for one in corpus["cases"]}
    beyond = [f"| {provider} | {paths} |" for provider, paths in sorted(taken_out.items()) if paths]
    return "\n".join(
        [
            "# Contract with the official SDKs",
            "",
            "`make contract` writes this page. The bodies that every provider's module builds from one corpus of",
            "requests (`tests/contract/corpus.py`) are judged by the request types of the official SDKs, strictly: no",
            "unknown field, no value of another type, at any depth. The SDKs live in an environment of their own",
            "(`.venv-contract`).",
            "",
            f"{corpus['date']}, commit {corpus['commit']}. {sdks}.",
            "",
            f"**{sum(counts.values())} bodies, {problems} problems.**",
            "",
            "| provider | judged as | bodies |",
            "|---|---|---|",
            *rows,
            "",
            "Fields that the provider documents and the SDK's type does not have, taken out before judging:",
            "",
            "| provider | fields |",
            "|---|---|",
            *beyond,
            "",
            "These requests have no form there and are refused with a typed error before anything is sent:",
            "",
            "| request | why |",
            "|---|---|",
            *refused,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
