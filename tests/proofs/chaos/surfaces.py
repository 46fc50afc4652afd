"""The surfaces on which an answer is shown. Each asks one question and returns what its reader saw."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.processes import ROOT
from tests.proofs.chaos.installation import Installation
from tests.proofs.chaos.upstream import MODEL

PATIENCE_S = 90.0


class Seen(msgspec.Struct, kw_only=True):
    """An answer as its reader saw it: its error's ``code`` (empty: none), its text, and whether it seemed complete.

    ``began`` and ``ended`` are seconds of ``time.monotonic()``.
    """

    surface: str
    code: str = ""
    text: str = ""
    complete: bool = False
    began: float = 0.0
    ended: float = 0.0
    stored: str = ""
    state: str = ""


Ask = Callable[[Installation, str, str], Awaitable[list[Seen]]]
"""Ask a session (id) a question (prompt); one reader or several."""


async def socket_and_journal(at: Installation, session: str, prompt: str) -> list[Seen]:
    """Ask over the chat's socket, and read the same answer in another web process."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        async with at.new_chat:
            async with at.client(at.web.base) as client:
                chat = await new_chat(client)
            page = await stack.enter_async_context(open_socket(at, at.web.base, chat))
            await page.send(json.dumps({"type": "send", "text": prompt, "session": session, "model": MODEL}))
            frames = await stack.enter_async_context(aclosing(socket_frames(page)))
            stream = (await next_frame(frames, "turn"))["stream"]
        other = asyncio.create_task(_journal(at, chat, stream, began))
        seen = await _read("chat page, socket", frames, stream, began)
        return [await _with_stored(one, at, stream=stream) for one in (seen, await other)]


async def events_stream(at: Installation, session: str, prompt: str) -> list[Seen]:
    """Ask by POST, and read server-sent events, as the chat page does without a WebSocket."""
    began = time.monotonic()
    async with at.client(at.web.base) as client:
        async with at.new_chat:
            chat = await new_chat(client)
            question = {"text": prompt, "session": session, "model": MODEL}
            asked = await client.post(f"/chats/{chat}/send/", json=question)
            stream = asked.json()["stream"]
        async with (
            client.stream("GET", f"/chats/{chat}/events/?stream={stream}:0") as answer,
            aclosing(_sse_frames(answer.aiter_lines())) as frames,
        ):
            seen = await _read("chat page, SSE", frames, stream, began)
    return [await _with_stored(seen, at, stream=stream)]


async def command(at: Installation, session: str, prompt: str) -> list[Seen]:
    """Ask with ``manage.py chat``."""
    began = time.monotonic()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "manage.py", "chat", session, prompt, "--model", MODEL, "--context", "new", "--json"],
        cwd=ROOT,
        env=at.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines:
        return [Seen(surface="command", code=done.stderr[-300:] or "silent")]
    result = lines[-1]
    seen = Seen(
        surface="command", text=result["text"], complete=result["complete"], began=began, ended=time.monotonic()
    )
    seen.code = result["error"]["code"] if result["error"] else ""
    if (done.returncode == 0) is not seen.complete:
        seen.code = f"exit code {done.returncode} with {seen.code or 'no error'}"
    return [await _with_stored(seen, at, context=result["context_id"])]


async def script(at: Installation, session: str, prompt: str) -> list[Seen]:
    """Ask with ``provider.stream_chat``."""
    began = time.monotonic()
    found = await at.script.order(do="ask", session=session, prompt=prompt, model=MODEL)
    seen = Seen(surface="script", code=found["code"], text=found.get("text", ""), began=began, ended=time.monotonic())
    seen.complete = found.get("complete", False)
    return [await _with_stored(seen, at, context=found.get("context"))]


SURFACES: dict[str, Ask] = {"socket": socket_and_journal, "sse": events_stream, "command": command, "script": script}
"""``socket`` has two readers: the page, and one in another process."""


async def new_chat(client: Any) -> str:
    """Return the id of a new chat."""
    made = await client.post("/chats/new/")
    return str(made.headers["location"].rstrip("/").rsplit("/", 1)[1])


@asynccontextmanager
async def open_socket(at: Installation, base: str, chat: str) -> AsyncIterator[ClientConnection]:
    """Open the socket of a chat at one of the web processes."""
    cookie = "; ".join(f"{name}={value}" for name, value in at.cookies.items())
    address = f"{base.replace('http', 'ws')}/ws/chats/{chat}/"
    headers = {"Cookie": cookie}
    async with connect(address, origin=base, additional_headers=headers, proxy=None, max_size=None) as socket:  # type: ignore[arg-type]
        yield socket


Frames = AsyncGenerator[dict[str, Any], None]


async def _journal(at: Installation, chat: str, stream: str, began: float) -> Seen:
    async with open_socket(at, at.other, chat) as page:
        await page.send(json.dumps({"type": "attach", "stream": stream, "after": 0}))
        async with aclosing(socket_frames(page)) as frames:
            return await _read("journal reader", frames, stream, began)


async def socket_frames(page: ClientConnection) -> Frames:
    """Yield what comes over a chat's socket."""
    async for message in page:
        yield json.loads(message)


async def _sse_frames(lines: AsyncIterator[str]) -> Frames:
    async for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:])


async def next_frame(frames: Frames, kind: str) -> dict[str, Any]:
    """Return the next frame of a kind. Raises ``RuntimeError`` for a refusal."""
    async with asyncio.timeout(PATIENCE_S):
        async for frame in frames:
            if frame["type"] == kind:
                return frame
            if frame["type"] == "error":
                raise RuntimeError(f"the frame was refused: {frame}")
    raise RuntimeError(f"no {kind} frame came")


async def _read(surface: str, frames: Frames, stream: str, began: float) -> Seen:
    """Read an answer up to its end frame."""
    seen, last = Seen(surface=surface, began=began), 0
    async with asyncio.timeout(PATIENCE_S):
        async for frame in frames:
            if frame.get("stream", stream) != stream:
                continue
            if frame["type"] == "events":
                if frame["first_seq"] != last + 1:
                    seen.code = f"a gap before event {frame['first_seq']}"
                last = frame["last_seq"]
                seen.text += "".join(one["text"] for one in frame["events"] if one["type"] == "text_delta")
            elif frame["type"] == "end":
                result = frame["result"]
                seen.complete = frame["state"] == "complete"
                seen.code = seen.code or (result["error"]["code"] if result.get("error") else "")
                break
            elif frame["type"] == "error":
                seen.code = frame["code"]
                break
    seen.ended = time.monotonic()
    return seen


async def _with_stored(seen: Seen, at: Installation, *, stream: str = "", context: str | None = "") -> Seen:
    if stream or context:
        seen.state, seen.stored = await at.stored(stream=stream, context=context or "")
    return seen
