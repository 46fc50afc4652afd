"""Answers that are cut at random, against the provider's own ledger.

They have 20 to 200 words, run in one web process on Postgres and Redis, and are read in two. A third is cut by the
provider at a random byte, the readers' sockets are closed again and again, the process is killed in the middle of most
batches of a hundred, Redis in some. What a reader was shown is a beginning of what is stored, that is a beginning of
what the provider sent, and of that at most the last 50 ms before SIGKILL are lost, beside what the machine was late
then. Nothing is stored or shown as complete that was not.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import httpx
import msgspec
import psycopg
from websockets.exceptions import WebSocketException

from tests.processes import manage
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.chaos.upstream import MODEL, SSE_HEAD, Asked, Provider, Upstream, Writing, frames, text_of
from tests.proofs.reliability.cluster import Cluster, Reader, open_cluster, until
from tests.proofs.reliability.cluster import Part as Process
from tests.servers import wait_for_port

STREAMS, AT_ONCE = 1000, 100
TAIL_S = 0.05
PATIENCE_S = 60.0
LATENESS_S = 0.005
SETTINGS = {
    "MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    "MAESTRO_PROVIDERS__IDLE_TIMEOUT_S": "5",
    "MAESTRO_CONTEXT__SPOOL_SCAN_S": "0.5",
    "MAESTRO_CONTEXT__MAX_RUNNING_PER_OWNER": "1000",
    "MAESTRO_CONTEXT__MAX_CONNECTIONS_PER_OWNER": "1000",
}


class Stored(msgspec.Struct, frozen=True):
    """An answer as the database has it."""

    state: str
    text: str


class Lateness:
    """How late this machine runs what is due: the most in the last second, in seconds."""

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []

    async def run(self) -> None:
        """Watch until it is cancelled."""
        while True:
            due = time.monotonic() + LATENESS_S
            await asyncio.sleep(LATENESS_S)
            self._found.append((due, time.monotonic() - due))

    def at(self, moment: float) -> float:
        """Return the most of the second before a moment."""
        return max((late for due, late in self._found if moment - 1.0 <= due <= moment), default=0.0)


class CutReader(Reader):
    """A reader whose socket is closed again and again, and which keeps the text that it was shown."""

    def __init__(self, cluster: Cluster, part: Process, chat: str, stream: str, chance: random.Random) -> None:
        super().__init__(cluster, part, chat)
        self.stream, self.text = stream, ""
        self._chance = chance

    async def run(self) -> None:
        """Read until the answer's end, or until its process is gone for good."""
        while not self.state:
            with suppress(OSError, TimeoutError, WebSocketException):
                async with self.socket() as socket:
                    await socket.send(f'{{"type":"attach","stream":"{self.stream}","after":{self.seen}}}')
                    left = self._chance.choice((2, 5, 10, 40, 10_000))
                    async for message in socket:
                        self.take(msgspec.json.decode(message))
                        left -= 1
                        if self.state or not left:
                            break
            await asyncio.sleep(0.1)

    def take(self, frame: dict[str, object]) -> None:
        """Note a frame, and its text."""
        super().take(frame)
        if frame.get("stream") == self.stream and frame["type"] == "events":
            events: list[dict[str, str]] = frame["events"]  # type: ignore[assignment]
            self.text += "".join(event["text"] for event in events if event["type"] == "text_delta")


class Totals(msgspec.Struct, kw_only=True):
    """What came of all streams."""

    streams: int = 0
    readers: int = 0
    killed: int = 0
    redis: int = 0
    states: Counter[str] = msgspec.field(default_factory=Counter)
    largest_tail_s: float = 0.0
    largest_bytes: int = 0
    allowed_s: float = TAIL_S
    problems: list[str] = []


def judge(
    totals: Totals,
    stored: Stored,
    shown: Sequence[tuple[str, str]],
    asked: Sequence[Asked],
    late_s: float = 0.0,
    died: float | None = None,
) -> None:
    """Compare an answer with what its readers were shown (state and text of each) and with what was sent for it.

    ``died`` is when the process that ran it was killed, ``late_s`` how late the machine ran what was due then.
    """
    expect = totals.problems.append
    totals.states[stored.state] += 1
    sent = next((one for one in reversed(asked) if text_of(one.body).startswith(stored.text)), None)
    if sent is None and (stored.text or asked):
        expect(f"{stored.text[:40]!r}... is no beginning of what was sent")
        return
    whole = sent is not None and sent.healthy and text_of(sent.body) == stored.text
    if stored.state == "complete" and not whole:
        expect("it is stored as complete and is not")
    for state, text in shown:
        if not stored.text.startswith(text):
            expect(f"{len(text)} characters were shown that are no beginning of the {len(stored.text)} stored")
        if state == "complete" and not whole:
            expect("a reader was shown it as complete")
    if died is None or sent is None or stored.state == "complete":
        return
    body, lost_at = 0, None
    for at, size in sent.sent:
        body += size
        if at < died and lost_at is None and len(text_of(sent.body[:body])) > len(stored.text):
            lost_at = at
    if lost_at is not None:
        totals.largest_tail_s = max(totals.largest_tail_s, died - lost_at)
        totals.largest_bytes = max(totals.largest_bytes, len(sent.text_until(died)) - len(stored.text))
        totals.allowed_s = max(totals.allowed_s, TAIL_S + late_s)
        if died - lost_at > TAIL_S + late_s:
            lost_ms, late_ms = (died - lost_at) * 1000, late_s * 1000
            expect(f"{lost_ms:.0f} ms before SIGKILL are lost, and the machine was {late_ms:.0f} ms late")


def _random_answer(chance: random.Random) -> "tuple[int, float, int | None, bool]":
    """Words, seconds between two, the byte at which it is cut (``None``: not), and whether by a reset."""
    words = chance.randrange(20, 200)
    size = len(b"".join(frames(words)))
    cut = chance.choice((None, None, chance.randrange(size)))
    return words, chance.uniform(0.005, 0.03), cut, chance.random() < 0.5


async def _answer(chance: random.Random, writing: Writing) -> None:
    words, pause_s, cut, reset = _random_answer(chance)
    await writing.raw(SSE_HEAD)
    done = 0
    for frame in frames(words):
        piece = frame if cut is None else frame[: max(0, cut - done)]
        if piece:
            await writing.body(piece)
        done += len(frame)
        if cut is not None and done >= cut:
            await asyncio.sleep(0.05)
            if reset:
                writing.reset()
            return
        await asyncio.sleep(pause_s)
    writing.asked.healthy = True


async def _begin(
    cluster: Cluster, web: Process, session: str, prompt: str, lock: asyncio.Lock
) -> tuple[str, str] | None:
    """Ask in a new chat; return it and its stream, ``None`` where the process was killed meanwhile."""
    try:
        async with cluster.client(web, headers={"X-CSRFToken": cluster.cookies["csrftoken"]}) as client, lock:
            made = await client.post("/chats/new/")
            chat = made.headers["location"].rstrip("/").rsplit("/", 1)[1]
            answer = await client.post(
                f"/chats/{chat}/send/", json={"text": prompt, "session": session, "model": MODEL}
            )
        return chat, answer.json()["stream"]
    except httpx.HTTPError:
        return None


def _stored(cluster: Cluster, streams: Sequence[str]) -> dict[str, Stored]:
    query = "SELECT id::text, state, coalesce(result->>'text', '') FROM context_app_stream WHERE id::text = ANY(%s)"
    with psycopg.connect(cluster.postgres.url) as connection:
        return {row[0]: Stored(row[1], row[2]) for row in connection.execute(query, (list(streams),))}


async def _batch(
    cluster: Cluster, provider: Provider, session: str, count: int, chance: random.Random, totals: Totals
) -> None:
    web, other = cluster.parts["web 1"], cluster.parts["web 2"]
    lateness, lock = Lateness(), asyncio.Lock()
    watch = asyncio.create_task(lateness.run())
    prompts = [f"question {totals.streams + number}" for number in range(count)]
    began = [one for prompt in prompts if (one := await _begin(cluster, web, session, prompt, lock)) is not None]
    readers = [
        [CutReader(cluster, part, chat, stream, chance) for part in (other, web)[: chance.choice((1, 2))]]
        for chat, stream in began
    ]
    tasks = [asyncio.create_task(reader.run()) for many in readers for reader in many]
    await asyncio.sleep(chance.uniform(0.2, 1.5))
    died: float | None = None
    if chance.random() < 0.4:
        totals.redis += 1
        await asyncio.to_thread(cluster.redis.kill)
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        await asyncio.to_thread(cluster.redis.start)
    if chance.random() < 0.7:
        totals.killed += 1
        web.process.kill()
        died = time.monotonic()
        await asyncio.to_thread(web.process.wait, 60)
    streams = [stream for _, stream in began]

    async def all_ended() -> bool:
        found = await asyncio.to_thread(_stored, cluster, streams)
        return all(one.state != "running" for one in found.values())

    if await until(all_ended, PATIENCE_S) is None:
        totals.problems.append("some answers did not end")

    async def all_shown() -> bool:
        return all(many[0].state for many in readers)

    if await until(all_shown, PATIENCE_S) is None:
        totals.problems.append("some readers in the other process were not shown an end")
    for task in (*tasks, watch):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = await asyncio.to_thread(_stored, cluster, streams)
    for (_, stream), prompt, many in zip(began, prompts, readers, strict=False):
        asked = [one for one in provider.asked if one.prompt == prompt]
        shown = [(reader.state, reader.text) for reader in many]
        late_s = 0.0 if died is None else lateness.at(died)
        judge(totals, found.get(stream, Stored("absent", "")), shown, asked, late_s, died)
        totals.readers += len(many)
    totals.streams += len(began)
    if died is not None:
        again = await asyncio.to_thread(cluster.start_web, "web 1")
        await asyncio.to_thread(wait_for_port, again.port, again.process)


async def _all(cluster: Cluster, provider: Provider, session: str, count: int, at_once: int, seed: int) -> Totals:
    totals, chance = Totals(problems=[]), random.Random(seed)
    while totals.streams < count:
        await _batch(cluster, provider, session, min(at_once, count - totals.streams), chance, totals)
    return totals


def play(count: int, at_once: int = AT_ONCE, seed: int = 1) -> Totals:
    """Cut so many streams, and return what came of them."""
    with Upstream() as upstream, open_cluster(**SETTINGS) as cluster:
        provider, chance = upstream.provider("cuts"), random.Random(seed + 1)
        provider.fail(lambda writing: _answer(chance, writing))
        variables = {name: value for name, value in cluster.variables.items() if name.startswith("MAESTRO_")}
        own = {name: cluster.variables[name] for name in ("DATABASE_URL", "REDIS_URL")}
        create = ("sessions", "create", "remote", "api_key", "cuts", "--base-url", provider.base_url, "--key-stdin")
        made = manage(cluster.data, *create, "--json", stdin="key-of-the-cuts", **{**variables, **own})
        if made.returncode:
            raise RuntimeError(made.stderr)
        session = str(msgspec.json.decode(made.stdout)["id"])
        return asyncio.run(_all(cluster, provider, session, count, at_once, seed))


def tell(totals: Totals, say: Say) -> bool:
    """Say the summary; ``True`` when everything held."""
    table = Table(say, "streams", "readers", "ended as", "SIGKILL", "Redis killed", "largest tail lost")
    states = ", ".join(f"{count} {state}" for state, count in sorted(totals.states.items()))
    tail = f"{totals.largest_tail_s * 1000:.0f} ms, {totals.largest_bytes} characters"
    shown = [*totals.problems[:20], *([f"and {len(totals.problems) - 20} more"] if len(totals.problems) > 20 else [])]
    table.row(
        str(totals.streams), str(totals.readers), states, str(totals.killed), str(totals.redis), tail, problems=shown
    )
    return table.end()


def _play(names: Sequence[str], full: bool, say: Say) -> bool:
    return tell(play(STREAMS) if full else play(12, 12, seed=3), say)


PART = Part(name="random cuts", title="Random cuts", about=__doc__, cells=("socket, process and Redis",), play=_play)
