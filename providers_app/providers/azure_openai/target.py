"""What an address says, copied from wherever Azure shows one: a resource, a deployment's target, or a base URL."""

from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import msgspec

OPENAI = "openai"
API_VERSION = "api-version"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """``root`` is everything before ``/openai``; the rest is empty where the address does not say it."""

    root: str
    surface: str = ""
    deployment: str = ""
    api_version: str = ""


def without_query(address: str) -> str:
    """The address as a base URL: a target that was copied from Azure's pages ends with its API version."""
    head, _, query = address.partition("?")
    return head + "".join(query.partition("#")[1:])


def read(address: str) -> Target:
    """The parts of an address that was checked before. The first segment ``openai`` of its path divides it, so that
    a gateway's own path stays in front. Microsoft writes all of these:

    ``https://R.openai.azure.com`` · ``.../openai/v1/`` · ``.../openai/deployments/D/chat/completions?api-version=V``
    """
    scheme, host, path, query, _ = urlsplit(address)
    before, after = path.split("/"), [""]
    if OPENAI in before:
        at = before.index(OPENAI)
        before, after = before[:at], [part for part in before[at + 1 :] if part]
    root = urlunsplit((scheme, host, "/".join(before).rstrip("/"), "", ""))
    version = parse_qs(query).get(API_VERSION, [""])[0]
    match after:
        case ["v1", *_]:
            return Target(root=root, surface="v1")
        case ["deployments", name, *_]:
            return Target(root=root, surface="classic", deployment=unquote(name), api_version=version)
    return Target(root=root, api_version=version)
