"""An outgoing proxy for https: a tunnel by CONNECT, in which TLS is spoken with the provider itself.

What a proxy reaches cannot be judged from here, since it resolves the names. So addresses that are written out and are
not public, hosts on the operator's list of private hosts, and those that ``no_proxy`` names are reached directly, where
the guard judges them. Plain http never goes through it.
"""

import base64
import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from providers_app.types.credentials import Secret
from providers_app.wire.guard import Guard, is_public, literal_address, pair_of

PORT = 3128
_PLAIN = "the proxy must be http://host:port, with or without user:password@ in front of the host"


class ProxyFailed(OSError):
    """The outgoing proxy made no connection to the provider; the text says why, without an address."""


class Proxy:
    """A proxy and the hosts that are reached without it."""

    def __init__(self, address: Secret, no_proxy: Iterable[str] = (), user_agent: str = "Maestro") -> None:
        """Raises ``ValueError``, which never quotes the address."""
        text = address.reveal().strip()
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            raise ValueError(_PLAIN) from None
        if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(_PLAIN)
        self.host = host
        self.url = f"http://{pair_of(host, port)}"
        """The address without user and password."""
        self.guard = Guard((pair_of(host, port),))
        self._authorization = Secret("")
        if parts.username is not None:
            both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._authorization = Secret(f"Basic {base64.b64encode(both.encode()).decode()}")
        self._user_agent = user_agent
        self._direct = tuple(entry for text in no_proxy if (entry := text.strip().lower()))

    def headers(self) -> dict[str, str]:
        """Return the headers that the proxy alone is sent."""
        own = {"User-Agent": self._user_agent}
        authorization = self._authorization.reveal()
        return own | {"Proxy-Authorization": authorization} if authorization else own

    def covers(self, host: str, port: int, guard: Guard) -> bool:
        """Return whether a host of an https address is reached through the proxy. ``guard`` is that of direct ones."""
        name, literal = host.lower().strip("[]").rstrip("."), literal_address(host)
        if name == "localhost" or name.endswith(".localhost") or guard.lists(name, port):
            return False
        if literal is not None and not is_public(literal):
            return False
        return not any(_is_direct(entry, name, port, literal) for entry in self._direct)


def _is_direct(entry: str, name: str, port: int, literal: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    """Return whether an entry of ``no_proxy`` means the host: ``*``, a name or one below it, an address, a range."""
    if entry == "*":
        return True
    with suppress(ValueError):
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
        return literal is not None and literal in network
    own, colon, number = entry.rpartition(":")
    if colon and number.isdigit():
        if int(number) != port:
            return False
        entry = own
    entry = entry.strip("[]").removeprefix("*").lstrip(".").rstrip(".")
    return bool(entry) and (name == entry or name.endswith(f".{entry}"))
