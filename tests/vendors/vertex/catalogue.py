"""Which models there are, where they are served, and how the lists name them."""

from typing import Any

LOCATIONS = ("global", "us", "eu", "us-central1", "us-east5", "europe-west4")
MODELS = {"gemini-3-pro": ("global", "us", "eu"), "gemini-3-flash": ("global",), "gemini-2.5-flash": LOCATIONS}
"""Google's, with the locations that serve them."""
CLAUDE = {"claude-opus-5": ("global", "us-east5", "eu"), "claude-haiku-4-5@20251001": ("us-east5",)}
"""Anthropic's."""
OTHERS = ("gemini-embedding-001", "imagen-4.0-generate", "gemini-live-2.5-flash", "gemini-2.5-flash-tts", "gemma-3")
ARCHIVE = tuple(f"gemini-archive-{number:03d}" for number in range(1, 121))
LISTED = {"google": len(MODELS) + len(ARCHIVE), "anthropic": len(CLAUDE)}
"""How many models to talk to each list has; Google's has three pages at 50."""


def entries(publisher: str) -> list[dict[str, Any]]:
    """What the publisher's list says of its models: neither limits nor abilities."""
    names = (*MODELS, *OTHERS, *ARCHIVE) if publisher == "google" else tuple(CLAUDE)
    return [entry(publisher, name) for name in names]


def entry(publisher: str, model: str) -> dict[str, Any]:
    """One entry; Anthropic's carry their date as a version."""
    name, _, version = model.partition("@")
    return {
        "name": f"publishers/{publisher}/models/{name}",
        "versionId": version or "default",
        "openSourceCategory": "PROPRIETARY",
        "launchStage": "PUBLIC_PREVIEW" if name.startswith("gemini-3") else "GA",
        "publisherModelTemplate": f"projects/{{project}}/locations/{{location}}/publishers/{publisher}/models/{name}",
    }
