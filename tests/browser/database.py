"""What the server's database holds, read from outside its process."""

import json
import sqlite3
from pathlib import Path
from typing import Any


def rows(data: Path, query: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query against the data folder's SQLite file."""
    connection = sqlite3.connect(f"file:{data / 'maestro.sqlite3'}?mode=ro", uri=True, timeout=20)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(query, values)]
    finally:
        connection.close()


def last_stream(data: Path) -> dict[str, Any]:
    """The newest stream with its ``result`` decoded."""
    stream = rows(data, "SELECT * FROM context_app_stream ORDER BY created_at DESC LIMIT 1")[0]
    return {**stream, "result": json.loads(stream["result"])}


def answer_chunk(data: Path) -> dict[str, Any]:
    """The newest stored answer text."""
    return rows(
        data,
        "SELECT * FROM context_app_contextchunk WHERE kind = 'assistant' AND deleted_at IS NULL "
        "ORDER BY created_at DESC LIMIT 1",
    )[0]
