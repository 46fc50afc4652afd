"""Bodies that a server compressed without being asked to: undone whole, in bounded steps, or refused."""

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncIterator, Callable

import pytest

from providers_app.errors import AnswerTooLarge, BadAnswer, ConnectionFailed, StreamInterrupted
from providers_app.wire import compression
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard
from tests.unit.providers.test_client import OK, get
from tests.unit.providers.test_engine import Start
from tests.unit.providers.test_engine_answers import collect, saying

TEXT = b"hello " * 100
# Of the last one, zlib takes all input with the first piece, and has more to give.
TEXTS = [TEXT, random.Random(1).randbytes(300_000), b"", bytes(compression.PIECE), bytes(compression.PIECE + 100)]
ZIPPED = gzip.compress(TEXT, mtime=0)
MIB = 1024 * 1024


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http(guard=Guard(["127.0.0.1"]), limits=HttpLimits(connect_s=5, idle_s=5))
    yield client
    await client.aclose()


def raw(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


def members(data: bytes) -> bytes:
    return gzip.compress(data[:10]) + gzip.compress(b"") + gzip.compress(data[10:])


def head(coding: bytes, body: bytes) -> bytes:
    return OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))


def bomb(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join([packer.compress(bytes(MIB)) for _ in range(mebibytes)]) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        (b"gzip", gzip.compress),
        (b"X-GZip", gzip.compress),
        (b"gzip", members),
        (b"deflate", zlib.compress),
        (b"deflate", raw),
        (b"identity", bytes),
    ],
)
@pytest.mark.parametrize("text", TEXTS, ids=[f"{len(text)}-bytes" for text in TEXTS])
@pytest.mark.parametrize("cut", [1, 7])
async def test_one_coding_is_undone(
    raw_server: Start, http: Http, coding: bytes, pack: Callable[[bytes], bytes], text: bytes, cut: int
) -> None:
    body = pack(text)
    url = await raw_server(saying(head(coding, body) + body[:cut], body[cut:]))
    assert await collect(http, url) == (text, None)


async def test_a_body_without_bytes_has_nothing_to_undo(raw_server: Start, http: Http) -> None:
    assert await collect(http, await raw_server(saying(head(b"br", b"")))) == (b"", None)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", b"plain"),
        (b"gzip", ZIPPED[:-8] + bytes(8)),  # not its checksum
        (b"gzip", ZIPPED + b"more"),
        (b"deflate", b"\xff\xff"),
    ],
)
async def test_what_cannot_be_undone_is_a_bad_answer(raw_server: Start, http: Http, coding: bytes, body: bytes) -> None:
    url = await raw_server(saying(head(coding, body) + body))
    with pytest.raises(BadAnswer, match="compression"):
        await http.send(get(url))


@pytest.mark.parametrize(
    "coding", ["br", "zstd", "unknown", "gzip, gzip", "gzip\r\nContent-Encoding: gzip", "deflate, identity"]
)
async def test_a_coding_that_was_not_asked_for_is_refused_by_name(raw_server: Start, http: Http, coding: str) -> None:
    name = coding.replace("\r\nContent-Encoding: ", ",")
    answer = saying(head(coding.encode(), ZIPPED) + ZIPPED)
    with pytest.raises(BadAnswer, match=f"compressed its answer with '{name}', which was not asked for") as caught:
        await http.send(get(await raw_server(answer)))
    assert "Switch the compression" in caught.value.hint
    assert isinstance((await collect(http, await raw_server(answer)))[1], BadAnswer), "and where it is streamed"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw])
async def test_compressed_data_without_its_end_is_an_interruption(
    raw_server: Start, http: Http, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(random.Random(1).randbytes(50_000))[:-9]
    coding = b"gzip" if pack is gzip.compress else b"deflate"
    found, error = await collect(http, await raw_server(saying(head(coding, body) + body)))
    assert len(found) > 40_000
    assert type(error) is StreamInterrupted
    assert type((await collect(http, await raw_server(saying(head(coding, b"1") + body[:1]))))[1]) is ConnectionFailed


async def test_a_body_grows_in_bounded_pieces_and_others_run_between_them(raw_server: Start, http: Http) -> None:
    body, turns = bomb(20), 0

    async def run() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with http.stream(get(await raw_server(saying(head(b"gzip", body) + body)))) as stream:
        parts = stream.chunks()
        sizes = [len(await anext(parts))]
        other = asyncio.create_task(run())
        sizes += [len(data) async for data in parts]
        other.cancel()
    assert sum(sizes) == 20 * MIB
    assert max(sizes) == compression.PIECE
    assert turns >= len(sizes) - 1


async def test_limits_count_what_comes_out_of_it(raw_server: Start, http: Http) -> None:
    body = bomb(20)
    answer = saying(head(b"gzip", body) + body)
    with pytest.raises(AnswerTooLarge, match="more than 100000 bytes"):
        await http.send(get(await raw_server(answer)), max_body=100_000)
    async with http.stream(get(await raw_server(answer))) as stream:
        assert len(await stream.read(100_000, cut=True)) == 100_000
        rest = [len(data) async for data in stream.chunks()]
    assert sum(rest) == 20 * MIB - 2 * compression.PIECE  # no more was undone than was asked for


@pytest.mark.parametrize("empty", [b"\0\0\0\xff\xff" * 4096, None], ids=["blocks", "members"])
async def test_a_body_that_takes_bytes_for_nothing_is_refused(
    raw_server: Start, http: Http, empty: bytes | None
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Encoding: %s\r\n\r\n" % (b"deflate" if empty else b"gzip"))
        for _ in range(100):  # about 2 MB
            writer.write(empty or gzip.compress(b"") * 1000)
            await writer.drain()

    with pytest.raises(BadAnswer, match="compression"):
        await http.send(get(await raw_server(answer)))
