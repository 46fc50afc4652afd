import ipaddress

import pytest

from providers_app.errors import AddressRefused, InvalidRequest
from providers_app.wire.guard import Guard, check_url, is_metadata, is_public, pair_in, pair_of

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.8",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:db8::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "104.18.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(AddressRefused) as caught:
        Guard().judge("model.example", 443, [address])
    assert address not in caught.value.message
    if is_metadata(ipaddress.ip_address(address)):
        assert not caught.value.pair and not caught.value.hint
    else:
        assert caught.value.pair == "model.example:443"
        assert "addresses allow model.example:443" in caught.value.hint
        assert "ALLOWED_PRIVATE_HOSTS" in caught.value.hint


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert Guard().judge("model.example", 443, [address]) == [address]


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(AddressRefused):
        Guard().judge("rebinding.example", 443, ["8.8.8.8", "10.0.0.1"])


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(AddressRefused):
        Guard().judge("odd.example", 443, ["not-an-address"])


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "passes"),
    [
        ("ollama.lan", "ollama.lan", 11434, "192.168.1.5", True),
        ("ollama.lan", "OLLAMA.LAN.", 11434, "192.168.1.5", True),
        ("ollama.lan", "other.lan", 11434, "192.168.1.5", False),
        ("ollama.lan:11434", "ollama.lan", 11434, "192.168.1.5", True),
        ("ollama.lan:11434", "ollama.lan", 22, "192.168.1.5", False),
        ("192.168.0.0/16", "any.name", 80, "192.168.7.7", True),
        ("192.168.0.0/16", "any.name", 80, "10.0.0.1", False),
        ("192.168.0.0/16", "any.name", 80, "::ffff:192.168.7.7", True),
        ("127.0.0.1:8000", "localhost", 8000, "127.0.0.1", True),
        ("127.0.0.1:8000", "localhost", 8001, "127.0.0.1", False),
        ("fd12::/16", "any.name", 80, "fd12::5", True),
        ("[::1]:8000", "any.name", 8000, "::1", True),
    ],
)
def test_the_allow_list_knows_hosts_ports_and_ranges(
    entry: str, host: str, port: int, address: str, passes: bool
) -> None:
    guard = Guard([entry])
    if passes:
        assert guard.judge(host, port, [address]) == [address]
    else:
        with pytest.raises(AddressRefused):
            guard.judge(host, port, [address])


@pytest.mark.parametrize("entry", ["", "http://host", "user@host", "10.0.0.0/99", "host:port", "*.lan", "a/b"])
def test_an_unreadable_entry_of_the_allow_list_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Guard([entry])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/",
        "file:///etc/passwd",
        "demo://demo",
        "host/v1",
        "https://",
        "https://user:pass@host/v1",
        "https://user@host",
        "https://host/v1#part",
        "https://host/v1?key=1",
        "https://ho st/",
        "https://host\\@other/",
        "https://host:99999/",
        "https://[::1/",
        "https://host\n/",
        "https://" + "a" * 600 + "/",
    ],
)
def test_what_is_no_plain_base_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://[::1]/v1",
        "http://169.254.169.254/latest",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
def test_a_literal_private_address_is_refused_in_any_spelling(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)


def test_an_allowed_literal_address_and_ordinary_names_pass_without_their_last_slash() -> None:
    assert check_url("http://127.0.0.1:8000/v1/", ["127.0.0.1:8000"]) == "http://127.0.0.1:8000/v1"
    assert check_url("  https://api.example.com/v1 ") == "https://api.example.com/v1"


METADATA = [
    "169.254.169.254", "169.254.170.2", "169.254.1.1", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fe80::1",
    "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    "::169.254.169.254",
]  # fmt: skip


@pytest.mark.parametrize("address", METADATA)
def test_a_metadata_service_is_never_reached_whatever_is_allowed(address: str) -> None:
    entry = f"[{address}]:80" if ":" in address else f"{address}:80"
    guard = Guard(["0.0.0.0/0", "::/0", "model.example", "model.example:80", entry])
    with pytest.raises(AddressRefused, match="never reached") as caught:
        guard.judge("model.example", 80, ["8.8.8.8", address], "model.example:80")
    assert not caught.value.pair
    with pytest.raises(AddressRefused, match="never reached"):
        guard.judge(address, 80, [address], pair_of(address, 80))
    with pytest.raises(AddressRefused, match="never reached"):
        pair_in(entry)
    assert Guard([entry], metadata=True).judge(address, 80, [address]) == [address]


def test_an_allowed_pair_is_that_host_and_port_and_nothing_else() -> None:
    guard, pair = Guard(), "127.0.0.1:11434"
    assert guard.judge("127.0.0.1", 11434, ["127.0.0.1"], pair) == ["127.0.0.1"]
    for host, port, address in (
        ("127.0.0.1", 11435, "127.0.0.1"),
        ("localhost", 11434, "127.0.0.1"),
        ("127.0.0.2", 11434, "127.0.0.2"),
        ("evil.example", 11434, "127.0.0.1"),
    ):
        with pytest.raises(AddressRefused) as caught:
            guard.judge(host, port, [address], pair)
        assert caught.value.pair == f"{host}:{port}"


@pytest.mark.parametrize(
    ("typed", "pair"),
    [
        ("127.0.0.1:11434", "127.0.0.1:11434"),
        (" http://127.0.0.1:11434/v1/ ", "127.0.0.1:11434"),
        ("http://2130706433:11434", "127.0.0.1:11434"),
        ("https://Ollama.LAN./v1", "ollama.lan:443"),
        ("http://ollama.lan", "ollama.lan:80"),
        ("[::1]:8000", "[::1]:8000"),
        ("http://[0:0::1]:8000", "[::1]:8000"),
    ],
)
def test_a_typed_address_is_one_host_and_port(typed: str, pair: str) -> None:
    assert pair_in(typed) == pair


@pytest.mark.parametrize("typed", ["", "ollama.lan", "10.0.0.0/8", "http://u:p@host:1", "ftp://host:1", "host:99999"])
def test_what_is_no_host_and_port_is_not_taken(typed: str) -> None:
    with pytest.raises(InvalidRequest):
        pair_in(typed)


def test_a_form_takes_an_allowed_pair_in_any_spelling_of_its_host() -> None:
    allowed = ("127.0.0.1:8000",)
    assert check_url("http://0x7f.1:8000/v1", (), allowed) == "http://0x7f.1:8000/v1"
    with pytest.raises(AddressRefused):
        check_url("http://127.0.0.1:8001/v1", (), allowed)
