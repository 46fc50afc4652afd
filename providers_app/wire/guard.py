"""Guard of the addresses that may be reached: a base URL is a person's input, and could name a private network.

Judged twice: ``check_url`` when a form is filled in (a courtesy: literal addresses only), and ``Guard.judge`` where the
connection is made, on the addresses that the name resolved to, which are then the ones connected to (``wire.network``).
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from providers_app.errors import AddressRefused, InvalidRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Public by number, yet answered by the machine's own cloud provider with credentials or control.
METADATA = frozenset({ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("fd00:ec2::254")})
# Reserved ranges that not every supported version of Python knows as such.
_RESERVED_4 = ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15")
_RESERVED_6 = ("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")
RESERVED = tuple(map(ipaddress.ip_network, _RESERVED_4 + _RESERVED_6))
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 500


class Guard:
    """Judges addresses against the public internet and an allow-list of hosts, ``host:port`` pairs and CIDR ranges."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Raises ``ValueError`` for an entry that is none of the three."""
        self._hosts: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[Network, int | None]] = []
        for entry in allowed:
            self._allow(entry.strip().lower())

    def judge(self, host: str, port: int, addresses: Sequence[str]) -> list[str]:
        """Return the addresses to connect to. Raises ``AddressRefused``: one that is refused refuses the name."""
        name = _plain(host)
        if (name, None) in self._hosts or (name, port) in self._hosts:
            return list(addresses)
        for text in addresses:
            address = _parse(text)
            if address is None or (not is_public(address) and not self._listed(address, port)):
                what = "an address of a private or reserved network"
                raise AddressRefused(f"{name} is {what} and is not reached from here.")
        return list(addresses)

    def _listed(self, address: Address, port: int) -> bool:
        if any(only in (None, port) and address in network for network, only in self._networks):
            return True
        inner = _embedded(address)
        return inner is not None and self._listed(inner, port)

    def _allow(self, entry: str) -> None:
        if not entry or any(mark in entry for mark in "@?#*") or "://" in entry:
            raise ValueError(f"{entry!r} is not a host, host:port or CIDR range")
        try:
            self._networks.append((ipaddress.ip_network(entry.strip("[]"), strict=False), None))
            return
        except ValueError:
            if "/" in entry:
                raise ValueError(f"{entry!r} is not a CIDR range") from None
        parts = urlsplit(f"//{entry}")
        host, port = parts.hostname, parts.port  # .port raises ValueError for a bad one
        if not host:
            raise ValueError(f"{entry!r} names no host")
        if (address := _parse(host)) is not None:
            self._networks.append((ipaddress.ip_network(address), port))
        self._hosts.add((_plain(host), port))


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet; one that carries an IPv4 inside is judged by that."""
    if address in METADATA or any(address in network for network in RESERVED):
        return False
    if (inner := _embedded(address)) is not None:
        return is_public(inner)
    if isinstance(address, ipaddress.IPv6Address) and (address in V4_COMPATIBLE or address.is_site_local):
        return False
    inside = address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
    return address.is_global and not (inside or address.is_multicast or address.is_reserved)


def check_url(url: str, allowed: Iterable[str] = ()) -> str:
    """Return a base URL that a person typed, without trailing slashes.

    Raises ``InvalidRequest`` when it is no plain http(s) address, ``AddressRefused`` when it names a private address
    outright. A name that resolves to a private address is refused later, where the connection is made.
    """
    url = url.strip()
    if not url:
        raise InvalidRequest("The base URL is empty.", hint="Give an address such as https://host/v1.")
    if len(url) > MAX_URL:
        raise InvalidRequest(f"The base URL is longer than {MAX_URL} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise InvalidRequest("The base URL contains spaces, backslashes or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequest("The base URL is not a valid address.") from None
    for wrong, rule, hint in (
        (parts.scheme.lower() not in DEFAULT_PORTS, "must begin with http:// or https://", ""),
        ("@" in parts.netloc, "must not contain a user name or password", "Put the key into its own field."),
        (parts.fragment or "#" in url, "must not contain a fragment (#...)", ""),
        (parts.query or "?" in url, "must not contain a query (?...)", ""),
        (climbs(parts.path), "must not climb out of its path (. or ..)", ""),
    ):
        if wrong:
            raise InvalidRequest(f"The base URL {rule}.", hint=hint)
    host = _checked_host(parts)
    if (literal := literal_address(host)) is not None:
        Guard(allowed).judge(host, port or DEFAULT_PORTS[parts.scheme.lower()], [str(literal)])
    return url.rstrip("/")


def climbs(path: str) -> bool:
    """Say whether a path has a segment ``.`` or ``..``, in any spelling that a server may take for one."""
    return any(part in (".", "..") for part in re.split(r"[/\\]", unquote(path)))


def literal_address(host: str) -> Address | None:
    """Return the address that ``host`` writes out, in any spelling a resolver accepts (``0x7f.1``, ``2130706433``)."""
    address = _parse(host)
    if address is None and host and host[0] in "0123456789":
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return address


def _checked_host(parts: SplitResult) -> str:
    if not (host := parts.hostname):
        raise InvalidRequest("The base URL names no host.")
    if ":" in host:
        return host
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not name or not all(char.isalnum() or char in ".-_" for char in name):
        raise InvalidRequest("The base URL's host is not a valid name.")
    return name


def _plain(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return address.ipv4_mapped or address.sixtofour or translated
