"""Guard of the addresses that may be reached: a base URL is a person's input, and could name a private network.

Judged twice: ``check_url`` when a form is filled in (a courtesy: literal addresses only), and ``Guard.judge`` where the
connection is made, on the addresses that the name resolved to, which are then the ones connected to (``wire.network``).

One policy holds at both: the operator's setting (hosts, ports and ranges), and the ``host:port`` pairs that the owner
of the installation allowed (``ports.PolicyStore``). Neither opens a metadata service.
"""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from providers_app.errors import AddressRefused, InvalidRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Answered by the machine's own cloud provider with credentials or control: never reached, whatever is allowed. All of
# link-local belongs to them (169.254.169.254, 169.254.170.2 ...); the others are those of Azure, AWS, Google, Alibaba
# and Oracle outside of it.
_METADATA = (
    "169.254.0.0/16", "fe80::/10", "168.63.129.16", "fd00:ec2::/32", "fd20:ce::254", "100.100.100.200", "192.0.0.192",
)  # fmt: skip
METADATA = tuple(map(ipaddress.ip_network, _METADATA))
# Reserved ranges that not every supported version of Python knows as such.
_RESERVED_4 = ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15")
_RESERVED_6 = ("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")
RESERVED = tuple(map(ipaddress.ip_network, _RESERVED_4 + _RESERVED_6))
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 500


AllowedPairs = Callable[[], Awaitable[Collection[str]]]
"""The ``host:port`` pairs that the owner of the installation allowed, as stored now."""


async def _no_pairs() -> Collection[str]:
    return ()


class Guard:
    """Judges addresses against the public internet and an allow-list of hosts, ``host:port`` pairs and CIDR ranges."""

    def __init__(
        self, allowed: Iterable[str] = (), allowed_pairs: AllowedPairs = _no_pairs, *, metadata: bool = False
    ) -> None:
        """``allowed_pairs`` is asked for what is not on the list; ``metadata`` lets the list name metadata services.

        Raises ``ValueError`` for an entry of the list that is none of the three.
        """
        self._hosts: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[Network, int | None]] = []
        self._allowed_pairs = allowed_pairs
        self._metadata = metadata
        for entry in allowed:
            self._allow(entry.strip().lower())

    def judge(self, host: str, port: int, addresses: Sequence[str], pair: str = "") -> list[str]:
        """Return the addresses to connect to. Raises ``AddressRefused``: one that is refused refuses the name.

        ``pair`` is the ``host:port`` that ``permits`` found to be allowed; it covers that host and port alone.
        """
        name = _plain(host)
        found = [_parse(text) for text in addresses]
        if not self._metadata and any(address is not None and is_metadata(address) for address in found):
            raise AddressRefused(f"{name} is a metadata service of a cloud provider, which is never reached from here.")
        if self.lists(name, port) or pair == pair_of(name, port):
            return list(addresses)
        for address in found:
            if address is None or (not is_public(address) and not self._listed(address, port)):
                raise AddressRefused.private(pair_of(name, port))
        return list(addresses)

    def lists(self, name: str, port: int) -> bool:
        """Return whether the list has this host by its name, with or without its port."""
        return (name, None) in self._hosts or (name, port) in self._hosts

    async def permits(self, refused: AddressRefused) -> bool:
        """Return whether the owner allowed the ``host:port`` that was refused. Raises as the store does."""
        return bool(refused.pair) and refused.pair in await self._allowed_pairs()

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


def pair_of(host: str, port: int) -> str:
    """Return ``host:port`` as it is written in an address, the host in one spelling."""
    name = _plain(host)
    literal = literal_address(name)
    name = str(literal) if literal is not None else name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def pair_in(text: str) -> str:
    """Return the ``host:port`` of an address that a person typed, with or without ``http://`` and a path.

    Raises ``InvalidRequest``: no plain address, or one without a port; ``AddressRefused``: a metadata service.
    """
    url = text.strip() if "://" in text else f"http://{text.strip()}"
    parts = urlsplit(check_shape(url))
    if "://" not in text and parts.port is None:
        raise InvalidRequest("The address has no port.", hint="Give host and port, such as 127.0.0.1:11434.")
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme.lower()]
    literal = literal_address(host)
    if literal is not None and is_metadata(literal):
        Guard().judge(host, port, [str(literal)])
    return pair_of(host, port)


def is_metadata(address: Address) -> bool:
    """Say whether an address is, or carries inside, that of a metadata service or any link-local one."""
    inner = _embedded(address)
    if isinstance(address, ipaddress.IPv6Address) and address in V4_COMPATIBLE:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return any(address in network for network in METADATA) or (inner is not None and is_metadata(inner))


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet; one that carries an IPv4 inside is judged by that."""
    if any(address in network for network in (*METADATA, *RESERVED)):
        return False
    if (inner := _embedded(address)) is not None:
        return is_public(inner)
    if isinstance(address, ipaddress.IPv6Address) and (address in V4_COMPATIBLE or address.is_site_local):
        return False
    inside = address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
    return address.is_global and not (inside or address.is_multicast or address.is_reserved)


def check_url(url: str, allowed: Iterable[str] = (), allowed_pairs: Collection[str] = ()) -> str:
    """Return a base URL that a person typed, without trailing slashes.

    ``allowed`` is the operator's list, ``allowed_pairs`` are the ``host:port`` pairs that the owner allowed.
    Raises ``InvalidRequest`` when it is no plain http(s) address, ``AddressRefused`` when it names a private address
    outright. A name that resolves to a private address is refused later, where the connection is made.
    """
    url = check_shape(url)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme.lower()]
    if (literal := literal_address(host)) is not None:
        pair = pair_of(host, port)
        Guard(allowed).judge(host, port, [str(literal)], pair if pair in allowed_pairs else "")
    return url


def check_shape(url: str) -> str:
    """Return a base URL without trailing slashes. Raises ``InvalidRequest`` when it is no plain http(s) address."""
    url = url.strip()
    if not url:
        raise InvalidRequest("The base URL is empty.", hint="Give an address such as https://host/v1.")
    if len(url) > MAX_URL:
        raise InvalidRequest(f"The base URL is longer than {MAX_URL} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise InvalidRequest("The base URL contains spaces, backslashes or control characters.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for one that is none
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
    _check_host(parts)
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


def _check_host(parts: SplitResult) -> None:
    if not (host := parts.hostname):
        raise InvalidRequest("The base URL names no host.")
    if ":" in host:
        return
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not name or not all(char.isalnum() or char in ".-_" for char in name):
        raise InvalidRequest("The base URL's host is not a valid name.")


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
