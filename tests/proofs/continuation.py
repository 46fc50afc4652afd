"""Answers that go on: cut at random places, each way against each strict server

Every row cuts answers at random places, in four ways (inside an event, between two, by a reset, by an error inside the
stream), and lets them go on. *Whole* counts answers whose text is the uncut one: to the byte by cursor and prefix, and
where a model that is asked to go on begins as it is asked; but for white space where it repeats something else or
writes other white space. *Requests* are those that the server saw. *Tokens* holds where the usage is the sum of the
requests that were made, and *calls* where no tool call came twice. *Continued* is less than the cuts where the end had
come already, and in the rows *saytools* where a whole call had: behind that nothing goes on by a prefix.

Each server has a row for each way that is declared for its models. A cursor needs a provider that keeps the answer:
OpenAI alone. In its rows *stored*, nothing is left but the events of the broken answer, as after the end of a
process. A prefix needs a model that takes one: Claude up to 4.5 at Anthropic and at Vertex AI, vLLM, llama.cpp,
Mistral, DeepSeek. Every model can be asked to go on, or anew, so these two have a row for every server. `stop` sends
nothing.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from providers_app import conf, loop, ports, provider
from providers_app.checkpoints import checkpoint_of
from providers_app.dialects.answer import usage_of
from providers_app.dispatch import lanes
from providers_app.providers.vertex_ai.config import Config
from providers_app.registry.settings import ProvidersConfig, build_model
from providers_app.resilience.checkpoint import StreamCheckpoint
from providers_app.streaming import fold
from providers_app.types.chat import ChatResult
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import Event, StreamEnd, StreamFailed, StreamStart, ToolCall
from tests.vendors import anthropic, azure, gemini, openai, openrouter, vertex
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.auth import Book
from tests.vendors.auth.clients import GOOGLE_DESKTOP
from tests.vendors.azure import AzureVendor
from tests.vendors.chat.kinds import KINDS, KindVendor
from tests.vendors.chat.vendor import VALID_KEY
from tests.vendors.gemini import GeminiVendor
from tests.vendors.openai import OpenAIVendor
from tests.vendors.openrouter import OpenRouterVendor
from tests.vendors.script import SAID, STRIPE
from tests.vendors.server import VendorServer
from tests.vendors.vertex import VertexVendor
from tests.wire.vendors.connected import SETTINGS, WEATHER
from tests.wire.vendors.memory_store import MemorySessions

QUESTION = "How do I put Stripe into FastAPI?"
CUTS = ("truncate", "truncate-clean", "reset", "midstream-error")
HABITS = ("", "", "", "-spaced", "-again-0", "-again-7", "-again-30-spaced")
"""What a model makes of the wish to go on: mostly what it is asked for."""


@dataclass(frozen=True)
class Row:
    """One way against one server; ``script`` is what the model answers.

    ``stored``: nothing is left of the answer but its events, as after the end of the process.
    """

    way: str
    server: str
    slug: str
    model: str
    script: str = ""
    stored: bool = False

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.server, self.script, "stored" if self.stored else "")))


OLDER, NEWER = "claude-haiku-4-5@20251001", "claude-opus-5"
ASKED = (
    ("anthropic", "anthropic", NEWER),
    ("openai", "openai", "gpt-5.6"),
    ("gemini", "gemini", "gemini-3-pro"),
    ("vertex_claude", "vertex_ai", NEWER),
    ("vertex_gemini", "vertex_ai", "gemini-3-pro"),
    ("openrouter", "openrouter", "openai/gpt-5.6"),
    ("azure", "azure_openai", "reasoner"),
    *((name, "remote", "local-large") for name in sorted(KINDS)),
)
"""Every server: each can be asked to go on, or anew."""
ROWS = (
    *(Row("cursor", "openai", "openai", "gpt-5.6", script) for script in ("", "reasoning", "tools")),
    *(Row("cursor", "openai", "openai", "gpt-5.6", script, stored=True) for script in ("", "reasoning", "tools")),
    *(Row("prefix", "anthropic", "anthropic", "claude-haiku-4-5", script) for script in ("", "saytools")),
    *(Row("prefix", "vertex_claude", "vertex_ai", OLDER, script) for script in ("", "saytools")),
    *(Row("prefix", name, "remote", "local-large") for name in ("vllm", "llama_cpp", "mistral", "deepseek")),
    *(Row(way, *server) for way in ("instruct", "restart") for server in ASKED),
)


class Servers:
    """The strict servers, each with a session of its name."""

    def __init__(self) -> None:
        made: dict[str, tuple[Any, str, str, str, dict[str, str]]] = {
            "anthropic": (AnthropicVendor(), "anthropic", anthropic.VALID_KEY, "", {}),
            "openai": (OpenAIVendor(), "openai", openai.VALID_KEY, "/v1", {}),
            "gemini": (GeminiVendor(), "gemini", gemini.VALID_KEY, "", {}),
            "openrouter": (OpenRouterVendor(), "openrouter", openrouter.VALID_KEY, "/api/v1", {}),
            "azure": (AzureVendor(), "azure_openai", azure.VALID_KEY, "", {"surface": "v1"}),
            "vertex_gemini": (VertexVendor(), "vertex_ai", vertex.VALID_KEY, "", {}),
            "vertex_claude": (VertexVendor(), "vertex_ai", "", "", {}),
        }
        made |= {name: (KindVendor(kind), "remote", VALID_KEY, "/v1", {"server": name}) for name, kind in KINDS.items()}
        self._made = made
        self.running = {name: VendorServer(vendor, path=path) for name, (vendor, _, _, path, _) in made.items()}

    async def connect(self) -> None:
        """Make a session for each server."""
        for name, (vendor, slug, key, _, settings) in self._made.items():
            address = self.running[name].base_url
            if key:
                await provider.create_session(
                    slug, "api_key", name=name, api_key=key, base_url=address, settings=settings
                )
            else:
                await _sign_in(vendor.book, slug, name)

    def config(self) -> ProvidersConfig:
        """The settings; tokens of a login at Vertex AI go to the operator's address alone."""
        vertex_ai = Config(base_url=self.running["vertex_claude"].origin)
        return build_model()(**SETTINGS.model_dump(exclude_unset=True), vertex_ai=vertex_ai)


async def _sign_in(book: Book, slug: str, name: str) -> None:
    """Make the session of a person with a token of Google's, which reaches the models of Anthropic as well."""
    book.add_account("1170", "ada@example.com", project_id="ada-project")
    token = book.issue("1170", GOOGLE_DESKTOP, scopes=("https://www.googleapis.com/auth/cloud-platform",)).access
    place = {"project": "ada-project", "quota_project": "ada-project", "location": "us-east5"}
    credential = Credential(auth_type="oauth", secret=Secret(token), settings=place)
    store = ports.session_store()
    await store.create(await store.sole_owner(), slug, "oauth", name, credential)


def run(cuts: int, say: Callable[[str], None], rows: tuple[Row, ...] = ROWS) -> bool:
    """Cut ``cuts`` answers in each row, and print the table; ``True`` when everything held."""
    servers, problems = Servers(), list[str]()
    say("| way | server | cuts | continued | requests | whole | tokens | calls |")
    say("|---|---|---:|---:|---:|---:|---|---|")
    with ExitStack() as stack:
        for server in servers.running.values():
            stack.enter_context(server)
        stack.enter_context(conf.use(servers.config()))
        stack.enter_context(ports.use(sessions=MemorySessions()))
        loop.run(servers.connect())
        for row in rows:
            found = loop.run(_row(row, servers.running[row.server], cuts))
            problems += [f"{row.way}, {row.name}: {problem}" for problem in found.problems]
            say(found.line(row, cuts))
    for problem in problems:
        say(f"- {problem}")
    return not problems


@dataclass
class Found:
    """What became of a row."""

    continued: int = 0
    requests: int = 0
    whole: int = 0
    tokens: bool = True
    calls: bool = True
    problems: list[str] = None  # type: ignore[assignment]

    def line(self, row: Row, cuts: int) -> str:
        """The row of the table."""
        held = {True: "yes", False: "**no**"}
        figures = f"{cuts} | {self.continued} | {self.requests} | {self.whole}"
        return f"| {row.way} | {row.name} | {figures} | {held[self.tokens]} | {held[self.calls]} |"


async def _row(row: Row, server: VendorServer, cuts: int) -> Found:
    found = Found(problems=[])
    draw = random.Random(f"{row.way} {row.name}")
    for number in range(cuts):
        cut = draw.choice(CUTS if row.way != "cursor" else CUTS[:3])
        habit = draw.choice(HABITS) if row.way == "instruct" else ""
        script = f"-{row.script}" if row.script else ""
        model = f"{row.model}{script}-times-{1 + number % 2}-{cut}-at-{draw.randrange(1000)}{habit}"
        # A fifth of a minute's requests may go on with others, and failures open a circuit; here all of them break.
        for kept in (lanes.current().budgets, lanes.current().breakers, lanes.current()._routes):
            kept.clear()
        server.ledger.clear()
        for problem in await _one(row, server, model, habit, found):
            found.problems.append(f"{model}: {problem}")
    return found


async def _one(row: Row, server: VendorServer, model: str, habit: str, found: Found) -> list[str]:
    """One answer that is cut and goes on; what was wrong with it."""
    seen: list[StreamCheckpoint] = []
    asked: dict[str, Any] = {"model": model, "checkpoint_callback": seen.append}
    if row.script in ("tools", "saytools"):
        asked["tools"] = [WEATHER]
    if row.script == "reasoning":
        asked["reasoning_effort"] = "high"
    by_itself = row.way in ("cursor", "prefix") and not row.stored
    asked |= {"resumable": row.way == "cursor", "enable_stream_replay": by_itself}
    events = [event async for event in provider.stream_chat(row.slug, row.server, QUESTION, **asked)]
    for _ in range(3):
        if by_itself or not isinstance(events[-1], StreamFailed):
            break
        last = seen[-1]
        if row.stored:
            known = {key: value for key, value in asked.items() if key in ("model", "tools", "reasoning_effort")}
            last = await checkpoint_of(row.slug, row.server, QUESTION, events, **known)
        more = provider.continue_from_checkpoint(
            last, policy=row.way, enable_stream_replay=False, checkpoint_callback=seen.append
        )
        following = [event async for event in more]
        events = following if row.way == "restart" else [*events[:-1], *following]
    return list(_judged(row, server, events, habit, found))


def _judged(row: Row, server: VendorServer, events: list[Event], habit: str, found: Found) -> Iterator[str]:
    result = fold(events)
    asked = [entry for entry in server.ledger if entry.model is not None]
    found.continued += bool(result.continued) or (row.way == "restart" and len(asked) > 1)
    found.requests += len(asked)
    calls = [event for event in events if isinstance(event, ToolCall) and event.invalid_arguments is None]
    if len({(call.name, str(call.arguments)) for call in calls}) < len(calls):
        found.calls = False
        yield "a tool call came twice"
    if sum(isinstance(event, StreamStart) for event in events) != 1 or not isinstance(
        events[-1], StreamEnd | StreamFailed
    ):
        yield "not one start and one end"
    if row.script == "saytools" and isinstance(events[-1], StreamFailed) and calls:
        found.whole += SAID.startswith(result.text)  # behind a whole call nothing goes on
        return
    expected = "" if row.script == "tools" else SAID if row.script == "saytools" else STRIPE
    same = result.text == expected
    if habit:
        same = "".join(result.text.split()) == "".join(expected.split())
    found.whole += same and result.complete
    if not same or not result.complete:
        yield f"not whole: {result.error.code if result.error else result.text[-60:]!r}"
    if problem := _tokens(row, result, len(asked)):
        found.tokens = False
        yield problem


def _tokens(row: Row, result: ChatResult, requests: int) -> str:
    """What is wrong with the usage: it is the sum of what the provider said, and of estimates where it did not."""
    usage = result.usage
    if usage is None and requests == 1:
        return ""  # the end had come, its tokens had not
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return "no usage"
    if row.way in ("cursor", "restart"):
        return (
            "" if "rounds" not in usage.raw and usage.source == "provider" else "one answer is counted more than once"
        )
    rounds = usage.raw.get("rounds", [usage.raw])
    if len(rounds) != requests:
        return f"{len(rounds)} requests are counted of {requests}"
    told = [usage_of(raw) for raw in rounds if raw]
    least = sum(one.input_tokens or 0 for one in told), sum(one.output_tokens or 0 for one in told)
    exact = len(told) == requests
    if exact and (usage.input_tokens, usage.output_tokens) != least:
        return "the tokens are not the sum"
    if not exact and (usage.input_tokens <= least[0] or usage.output_tokens < least[1] or usage.source != "estimated"):
        return "what the provider did not count is not estimated"
    return ""
