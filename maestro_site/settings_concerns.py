"""How the settings are grouped for readers: by what somebody wants to do, which is not always where they stand."""

from collections.abc import Iterable

import msgspec

from maestro_site.setting_tree import Setting
from providers_app.errors import ProviderBroken
from providers_app.registry.discovery import registry


class Concern(msgspec.Struct, frozen=True):
    """A heading, a sentence below it, and what it covers: paths of settings, or of groups with a dot at the end."""

    title: str
    words: str
    covers: tuple[str, ...]


CONCERNS = (
    Concern(
        "Addresses and safety",
        "Where Maestro is reached, and what protects it.",
        (
            "allowed_hosts",
            "trusted_origins",
            "behind_tls_proxy",
            "public_url",
            "secret_key",
            "encryption_keys",
            "debug",
            "providers.allowed_private_hosts",
            "providers.ca_file",
        ),
    ),
    Concern("Data and other servers", "Without these, one folder holds everything.", ("data_dir", "*_url")),
    Concern("Log", "", ("log_level", "log_json")),
    Concern("E-mail", "Notices are also sent by e-mail once there is a mail server.", ("from_email", "email.")),
    Concern(
        "Time limits",
        "How long providers are waited for.",
        ("providers.*_timeout_s",),
    ),
    Concern(
        "Limits",
        "Where one person or one message would take too much.",
        ("sessions.*_limit", "sessions.*_per_owner", "context.max_*", "providers.max_*"),
    ),
    Concern(
        "Sign-ins and refreshing",
        "How long sign-ins wait, and when access tokens are renewed.",
        ("providers.refresh_*", "providers.*login_ttl_s", "sessions.refresh_*"),
    ),
    Concern("Sessions", "How long what is over is kept.", ("sessions.",)),
    Concern("Contexts and answers", "", ("context.",)),
    Concern(
        "Gateway in front of the providers",
        'An enterprise gateway ("GenAI platform") that requests pass through.',
        ("genai_platform.",),
    ),
    Concern("Models and requests", "What holds for every provider.", ("providers.*",)),
)
"""The first that covers a setting has it. A group that none covers gets a heading of its own after them."""


def grouped(settings: Iterable[Setting]) -> list[tuple[str, str, list[Setting]]]:
    """Title, words and settings of each concern that has some, providers last and by name."""
    found: dict[tuple[str, str], list[Setting]] = {(each.title, each.words): [] for each in CONCERNS}
    for setting in settings:
        concern = next((each for each in CONCERNS if any(_covers(pattern, setting) for pattern in each.covers)), None)
        key = (concern.title, concern.words) if concern else _own_heading(setting)
        found.setdefault(key, []).append(setting)
    return [(title, words, held) for (title, words), held in found.items() if held]


def _covers(pattern: str, setting: Setting) -> bool:
    """``*`` stands for any piece of one name."""
    path = setting.dotted
    if pattern.endswith("."):
        return path.startswith(pattern)
    before, star, after = pattern.partition("*")
    if not star:
        return path == pattern
    middle = path[len(before) : len(path) - len(after) if after else None]
    return path.startswith(before) and path.endswith(after) and "." not in middle


def _own_heading(setting: Setting) -> tuple[str, str]:
    if setting.path[0] != "providers":
        return setting.path[0].replace("_", " ").capitalize(), ""
    slug = setting.path[1]
    try:
        return f"Provider {registry.card(slug).name}", ""
    except ProviderBroken:
        return f"Provider {slug}", ""


def shipped(setting: Setting) -> bool:
    """Is it a setting of Maestro itself, and not of a provider that is installed beside it?"""
    if setting.path[0] != "providers" or len(setting.path) < 3:
        return True
    package = registry.packages().get(setting.path[1])
    return package is not None and package.source == "folder"
