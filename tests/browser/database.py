"""What the server's database holds, read from outside its process."""

import json
from pathlib import Path
from typing import Any

from tests.processes import rows


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
