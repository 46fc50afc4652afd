"""Limits and circuits that the processes of an installation share through Redis.

Each process decides for itself first, and asks here what the others have used: the script below keeps one pair of
token buckets per account, by Redis's own clock. Open circuits stand in one hash, which each process reads every
second; only one process at a time may probe. While Redis is away nothing waits for it: a request that was asking
goes on after ``SOCKET_S`` at most, the next ones do not ask, and each process counts for itself until it is back.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from providers_app import loop

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger("maestro.dispatcher")

T = TypeVar("T")
SOCKET_S = 0.25
"""Seconds that one command may take. What waits for it is a request to a provider."""
CONNECTIONS = 4
"""Connections of a process. Requests that begin at once take turns: quicker than a new connection for each."""
WATCH_S = 1.0
"""Seconds between two looks at the circuits of other processes, and at a Redis that is away."""
KEPT_S = 300.0
"""Seconds after its next probe for which an open circuit is remembered; a process that knows it renews it."""
PROBE_S = 30.0
"""Seconds for which a process may probe alone, if it does not tell its outcome before."""
CIRCUITS = "maestro:circuits"
_LIMITS, _PROBE = "maestro:limits:", "maestro:probe:"

# KEYS: the account. ARGV: now ("" for Redis's own clock), what, requests a minute, tokens a minute ("" for no limit),
# requests, tokens, seconds.
#   take   reserve requests and tokens; the levels may fall below zero, which is what the next ones wait for
#   give   the reverse; pause: reserve nothing for so many seconds; learn: the levels are at most these
# Returns the seconds to wait, as text; for "take" "-" and the seconds where they are more than ``seconds``: not taken.
SCRIPT = """
local now = tonumber(ARGV[1])
if not now then
  local clock = redis.call('TIME')
  now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end
local what, seconds = ARGV[2], tonumber(ARGV[7]) or 0
local stored = redis.call('HMGET', KEYS[1], 'requests', 'tokens', 'at', 'until')
local elapsed = math.max(0, now - (tonumber(stored[3]) or now))
local paused = tonumber(stored[4]) or 0
local names, levels, wait = {'requests', 'tokens'}, {}, math.max(0, paused - now)
for i = 1, 2 do
  local limit, units = tonumber(ARGV[2 + i]), tonumber(ARGV[4 + i]) or 0
  local level = tonumber(stored[i])
  if limit then
    level = math.min(limit, (level or limit) + elapsed * limit / 60)
    if what == 'take' then
      local missing = math.min(units, limit) - level
      if missing > 0 then wait = math.max(wait, missing * 60 / limit) end
      level = level - units
    elseif what == 'give' then
      level = math.min(limit, level + units)
    elseif what == 'learn' and ARGV[4 + i] ~= '' then
      level = math.min(level, units)
    end
  end
  levels[i] = level
end
if what == 'take' and wait > seconds then return '-' .. string.format('%.6f', wait) end
if what == 'pause' then
  paused = math.max(paused, now + seconds)
  redis.call('HSET', KEYS[1], 'until', string.format('%.6f', paused))
end
for i = 1, 2 do
  if levels[i] then redis.call('HSET', KEYS[1], names[i], string.format('%.6f', levels[i])) end
end
redis.call('HSET', KEYS[1], 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * (120 + math.max(0, paused - now))))
return string.format('%.6f', wait)
"""


class Limits(NamedTuple):
    """Requests and tokens a minute; ``None`` for no limit."""

    requests: float | None
    tokens: float | None


class Circuit(NamedTuple):
    """An open circuit as another process knows it: seconds to its next probe, the pause before it, and why."""

    left_s: float
    wait_s: float
    why: str


class Shared:
    """The connection of this process to what it shares. Everything runs on the provider loop and never raises."""

    def __init__(self, client: "Redis", *, changed: Callable[[Mapping[str, Circuit]], None]) -> None:
        """``changed`` is called with every circuit that is open somewhere, about each ``WATCH_S`` seconds."""
        self._client, self._changed = client, changed
        self._script = client.register_script(SCRIPT)
        self.away = ""
        """The reason for which Redis cannot be used at the moment; empty while it can."""

    async def reserve(self, account: str, limits: Limits, tokens: float, patience_s: float) -> float:
        """Take one request and ``tokens`` from the account's buckets, and return the seconds to wait before it is sent.

        More than ``patience_s``: nothing was taken. 0.0 while Redis is away. Who is cancelled meanwhile has taken
        nothing: what Redis takes all the same is given back.
        """
        take = self._run(account, "take", limits, 1, tokens, patience_s)
        asked = loop.spawn(self._asked(take, b"-0"), name="shared limits")
        try:
            told = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(partial(self._unwanted, account, limits, tokens))
            raise
        return float(told.lstrip(b"-"))

    def _unwanted(self, account: str, limits: Limits, tokens: float, asked: "asyncio.Task[bytes]") -> None:
        if not asked.cancelled() and not asked.result().startswith(b"-"):
            self.give(account, limits, requests=1, tokens=tokens)

    def give(self, account: str, limits: Limits, *, requests: float = 0, tokens: float = 0) -> None:
        """Give back what was taken and not used; a negative number takes what was used beyond it."""
        self._later(self._run(account, "give", limits, requests, tokens))

    def pause(self, account: str, limits: Limits, seconds: float) -> None:
        """Let no process send for so many seconds: the provider said so."""
        self._later(self._run(account, "pause", limits, seconds=seconds))

    def learn(self, account: str, limits: Limits, requests: float | None, tokens: float | None) -> None:
        """Follow what the provider says is left."""
        self._later(self._run(account, "learn", limits, requests, tokens))

    async def may_probe(self, circuit: str) -> bool:
        """Return whether this process may probe now; only one may. Tell ``opened`` or ``closed`` what came of it."""
        asked = self._client.set(_PROBE + circuit, "1", nx=True, px=int(1000 * PROBE_S))
        return bool(await self._asked(asked, True))

    def opened(self, circuit: str, found: Circuit) -> None:
        """Tell the others that a circuit is open, and that none of them may probe it before its time."""
        self._later(self._open(circuit, found))

    def closed(self, circuit: str) -> None:
        """Tell the others that a circuit is closed."""
        self._later(self._close(circuit))

    async def watch(self) -> None:
        """Tell of the circuits of other processes until it is cancelled; also finds out when Redis is back."""
        while True:
            try:
                async with asyncio.timeout(2 * SOCKET_S):
                    self._changed(await self._open_circuits())
                if self.away:
                    logger.info("Redis is back: limits and circuits are shared again")
                self.away = ""
            except Exception as error:  # noqa: BLE001  whatever it is, the next look may find Redis well
                self._fell_away(error)
            await asyncio.sleep(WATCH_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _run(
        self,
        account: str,
        what: str,
        limits: Limits,
        requests: float | None = 0,
        tokens: float | None = 0,
        seconds: float = 0.0,
    ) -> bytes:
        numbers = (limits.requests, limits.tokens, requests, tokens, seconds)
        texts = ["" if number is None else repr(float(number)) for number in numbers]
        found: bytes = await self._script(keys=[_LIMITS + account], args=["", what, *texts])
        return found

    async def _open(self, circuit: str, found: Circuit) -> None:
        now = await self._now()
        row = json.dumps({"until": now + found.left_s, "wait": found.wait_s, "why": found.why})
        await self._client.hset(CIRCUITS, circuit, row)
        await self._client.set(_PROBE + circuit, "1", px=max(1, int(1000 * found.left_s)))

    async def _close(self, circuit: str) -> None:
        await self._client.hdel(CIRCUITS, circuit)
        await self._client.delete(_PROBE + circuit)

    async def _open_circuits(self) -> dict[str, Circuit]:
        now, rows = await self._now(), await self._client.hgetall(CIRCUITS)
        found = {}
        for name, value in rows.items():
            row = json.loads(value)
            if now > row["until"] + KEPT_S:
                await self._client.hdel(CIRCUITS, name)
            else:
                found[name.decode() if isinstance(name, bytes) else name] = Circuit(
                    row["until"] - now, row["wait"], row["why"]
                )
        return found

    async def _now(self) -> float:
        seconds, micros = await self._client.time()
        return float(seconds) + float(micros) / 1e6

    async def _asked(self, command: Awaitable[T], otherwise: T) -> T:
        """Return what Redis answers, or ``otherwise`` where it is away or does not answer in time."""
        if self.away:
            _unused(command)
            return otherwise
        try:
            async with asyncio.timeout(SOCKET_S):
                return await command
        except Exception as error:  # noqa: BLE001  a request to a provider does not fail because Redis does
            self._fell_away(error)
            return otherwise

    def _later(self, command: Awaitable[Any]) -> None:
        if self.away:
            _unused(command)
        else:
            loop.spawn(self._asked(command, None), name="shared limits")

    def _fell_away(self, error: Exception) -> None:
        if not self.away:
            logger.warning("Redis is away (%s): each process counts limits for itself", type(error).__name__)
        self.away = str(error) or type(error).__name__


def _unused(command: Awaitable[Any]) -> None:
    close = getattr(command, "close", None)
    if close is not None:
        close()


def connect(url: str, *, changed: Callable[[Mapping[str, Circuit]], None]) -> Shared:
    """Return the connection to Redis at ``url``, and watch it until the provider loop ends. Call it there."""
    from redis.asyncio import BlockingConnectionPool, Redis  # here: a process without Redis does not load it
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=SOCKET_S,
        socket_timeout=SOCKET_S,
        socket_connect_timeout=SOCKET_S,
        retry=Retry(NoBackoff(), 0),
    )
    client = Redis.from_pool(pool)
    shared = Shared(client, changed=changed)
    loop.spawn(shared.watch(), name="shared limits")
    return shared
