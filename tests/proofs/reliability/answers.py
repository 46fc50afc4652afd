"""Answers without an end, alone and fifty at once: each ends at a limit, and the server goes on."""

import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.processes import Up, manage, rows
from tests.proofs.reliability.hostile import HostileServer
from tests.proofs.reliability.story import Row, Story, Watched, data_folder, memory

MOST_MIB = 200
AT_ONCE = 50
LIMIT_S = 300.0
ENDED = "answer_too_large"


def _story(model: str, answers: int) -> Row:
    row = Row()
    with tempfile.TemporaryDirectory() as folder, HostileServer() as vendor:
        data = data_folder(Path(folder) / "data")
        local = {"MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
        create = (
            "sessions",
            "create",
            "remote",
            "api_key",
            "box",
            "--base-url",
            vendor.base_url,
            "--key-stdin",
            "--json",
        )
        made = manage(data, *create, "--json", stdin="key-of-the-hostile", **local)
        if made.returncode:
            raise RuntimeError(made.stderr)
        session = json.loads(made.stdout)["id"]
        with Up(data, **local) as server:
            client = server.client()
            _whole(server, client, session, "short")  # everything that is loaded late is there now
            time.sleep(1)
            with Watched(server, row):
                for _ in range(answers):
                    _ask(client, session, model)
                ended = _ended(server, model, answers)
                begun = time.monotonic()
                _whole(server, client, session, "short")
                row.recovery = f"next answer whole in {time.monotonic() - begun:.1f} s"
            judge(row, ended, answers)
            after = memory(server)
            if after is not None and row.before is not None:
                row.recovery += f", {after - row.before:.0f} MiB kept"
            server.stop()
    return row


def judge(row: Row, ended: list[dict[str, Any]], answers: int) -> None:
    """Note what does not hold: an answer that did not end at its limit, or too much memory."""
    codes = {str(result["error"] and result["error"]["code"]) for result in ended}
    row.expect(codes == {ENDED}, f"the answers ended as {', '.join(sorted(codes))}")
    row.expect(len(ended) == answers, f"{len(ended)} of {answers} answers ended within {LIMIT_S:g} s")
    row.expect(row.most is None or row.most <= MOST_MIB, f"more than {MOST_MIB} MiB on top")


def _ask(client: httpx.Client, session: str, model: str) -> None:
    token = {"X-CSRFToken": client.cookies["csrftoken"]}
    context = client.post("/chats/new/", headers=token).headers["location"].rstrip("/").rsplit("/", 1)[1]
    frame = {"text": "Hello", "session": session, "model": model}
    answer = client.post(f"/chats/{context}/send/", json=frame, headers=token)
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code}: {re.sub('<[^>]+>', '', answer.text)[:300]}")


def _ended(server: Up, model: str, count: int) -> list[dict[str, Any]]:
    """Return the results of the answers of this model, when ``count`` of them ended or time is up."""
    until = time.monotonic() + LIMIT_S
    query = (
        "SELECT s.result FROM context_app_stream s JOIN context_app_turn t ON t.stream_id = s.id "
        "WHERE t.model = ? AND s.state <> 'running'"
    )
    counted = query.replace("s.result", "count(*) AS n")
    while rows(server.data, counted, model)[0]["n"] < count and time.monotonic() < until:
        time.sleep(0.2)
    light = query.replace("s.result", "json_object('error', json_extract(s.result, '$.error')) AS result")
    return [json.loads(row["result"]) for row in rows(server.data, light, model)]


def _whole(server: Up, client: httpx.Client, session: str, model: str) -> None:
    before = len(_ended(server, model, 0))
    _ask(client, session, model)
    results = _ended(server, model, before + 1)
    if len(results) != before + 1 or any(result["error"] for result in results):
        raise RuntimeError(f"an ordinary answer failed: {results[-1:]}")


def _pair(name: str, model: str, at_once: int = AT_ONCE) -> tuple[Story, Story]:
    alone = Story(f"{name}, alone", lambda full: _story(model, 1))
    many = Story(f"{name}, {at_once} at once", lambda full: _story(model, at_once if full else 3))
    return alone, many


STORIES = (
    *_pair("text without end", "endless-text"),
    *_pair("a 10 GB inflating body", "inflating"),
    *_pair("a line without end", "endless-line"),
    *_pair("tiny events without end", "endless-events", 8),  # half a million each take a while to be read
    *_pair("reasoning without end", "endless-reasoning"),
    *_pair("tool calls without end", "endless-calls"),
    *_pair("arguments without end", "endless-arguments"),
)
