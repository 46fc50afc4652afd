"""Generated files: whose they are, how many are stored, what becomes of them, and what a full disk does."""

import asyncio
import os
import stat
import struct
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.utils import timezone

from context_app import media_store
from context_app.media_store import DjangoMediaStore
from context_app.models import Context, ContextChunk, MediaFile
from context_app.services import contexts, retention
from context_app.streams import writes
from context_app.streams.answer_chunks import answer_chunks
from context_app.streams.live import Ending
from providers_app import ports
from providers_app.chat import stored_media
from providers_app.errors import ContextTooLong, MediaRefused, UnknownMedia
from providers_app.types.chat import ImagePart, Message, TextPart
from providers_app.types.events import Event, GeneratedFile
from sessions_app.errors import StoreUnavailable
from sessions_app.stores.pool import in_store
from tests.unit.context.streams_kit import make_turn

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]
PNG = b"\x89PNG" + bytes(60)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A data directory of the test's own, with small limits."""
    settings.DATA_DIR = tmp_path
    context = settings.MAESTRO.context.model_copy(update={"max_media_bytes": 4096, "media_quota_bytes": 300})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"context": context})
    with ports.use(media=DjangoMediaStore()):
        yield tmp_path / "media"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def person(name: str = "ada") -> Any:
    return (await in_store(get_user_model().objects.create_user, name)).pk


async def test_a_file_is_its_owners_alone(folder: Path) -> None:
    ada, bob = await person(), await person("bob")
    ref = await DjangoMediaStore().put(ada, "image/png", PNG)
    assert await DjangoMediaStore().read(ada, ref) == ("image/png", PNG)
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (files(folder)[0], folder)] == [0o600, 0o700]
    for who, name in ((bob, ref), (ada, str(uuid4())), (ada, "../../secret")):
        with pytest.raises(UnknownMedia):
            await DjangoMediaStore().read(who, name)


async def test_limits_refuse_and_leave_nothing_behind(folder: Path) -> None:
    ada, bob = await person(), await person("bob")
    for _ in range(4):
        await DjangoMediaStore().put(ada, "image/png", PNG)
    for data, words in ((PNG, "full: 256 of 300"), (bytes(5000), "at most 4,096")):
        with pytest.raises(MediaRefused, match=words):
            await DjangoMediaStore().put(ada, "image/png", data)
    assert len(files(folder)) == 4
    await DjangoMediaStore().put(bob, "image/png", PNG)


async def test_events_get_references_before_anybody_sees_them_and_messages_their_bytes_back(folder: Path) -> None:
    ada = await person()
    events: list[Event] = [GeneratedFile("image/png", data=PNG), GeneratedFile("image/png", data=bytes(5000))]
    kept, refused = await stored_media.keep(ada, events)
    assert isinstance(kept, GeneratedFile) and isinstance(refused, GeneratedFile)
    assert kept.ref and (kept.data, kept.size) == (b"", len(PNG))
    assert "at most 4,096" in refused.problem and (refused.ref, refused.data) == ("", b"")
    picture = Message("assistant", (ImagePart(ref=kept.ref),))
    (loaded,) = await stored_media.load(ada, [picture])
    assert isinstance(loaded.parts[0], ImagePart) and loaded.parts[0].data
    assert (await stored_media.load(await person("bob"), [picture]))[0].parts == (TextPart(stored_media.GONE),)


JPEG = b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480), (640, 480)),
        (b"GIF89a" + struct.pack("<HH", 3, 7000), (3, 7000)),
        (JPEG + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, 480, 641), (641, 480)),
        (
            JPEG + b"\xff\xc4" + struct.pack(">H", 6) + bytes(4) + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, 5, 9),
            (9, 5),
        ),
        (b"RIFF----WEBPVP8 " + bytes(10) + struct.pack("<HH", 640 | 0x4000, 480), (640, 480)),
        (b"RIFF----WEBPVP8L" + bytes(5) + struct.pack("<I", 639 | 479 << 14), (640, 480)),
        (b"RIFF----WEBPVP8X" + bytes(8) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little"), (640, 480)),
        (JPEG, (0, 0)),
        (JPEG + b"\xff\xe1\0\0" + bytes(20), (0, 0)),
        (b"\xff\xd8\xff", (0, 0)),
        (b"RIFF----WAVEVP8 " + bytes(10) + struct.pack("<HH", 640, 480), (0, 0)),
        (b"JUNK----WEBPVP8 " + bytes(10) + struct.pack("<HH", 640, 480), (0, 0)),
        (b"<svg/>", (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_the_size_of_a_picture_is_read_from_its_head(data: bytes, size: tuple[int, int]) -> None:
    assert stored_media.dimensions(data) == size


@pytest.mark.parametrize("marker", range(0xC0, 0xD0))
def test_the_frame_header_of_a_jpeg_is_any_but_the_tables_among_its_markers(marker: int) -> None:
    first, second = (struct.pack(">HBHH", 17, 8, *size) + bytes(10) for size in ((5, 9), (3, 7)))
    data = JPEG + bytes([0xFF, marker]) + first + b"\xff\xc0" + second
    assert stored_media.dimensions(data) == ((7, 3) if marker in (0xC4, 0xC8, 0xCC) else (9, 5))


@pytest.mark.parametrize("together", [True, False])
async def test_pictures_that_fill_a_request_are_refused_before_they_fill_the_memory(
    monkeypatch: Any, together: bool
) -> None:
    ada = await person()
    (kept,) = await stored_media.keep(ada, [GeneratedFile("image/png", data=PNG)])
    assert isinstance(kept, GeneratedFile)
    small = type("Conf", (), {"max_request_bytes": 200})
    monkeypatch.setattr(stored_media.conf, "current", lambda: small)
    read = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or PNG)
    one = ImagePart(ref=kept.ref)
    many = [Message("user", (one,) * 9)] if together else [Message("user", (one,))] * 9
    with pytest.raises(ContextTooLong, match="pictures alone have more than 200 bytes"):
        await stored_media.load(ada, many)
    assert len(read) == 2, "88 bytes each in base64"


async def test_a_disk_that_takes_nothing_is_said_in_the_event(folder: Path) -> None:
    await asyncio.to_thread(folder.write_text, "no folder can be made here")
    ada = await person()
    (event,) = await stored_media.keep(ada, [GeneratedFile("image/png", data=PNG)])
    assert isinstance(event, GeneratedFile) and "not writable" in event.problem and event.data == b""
    with pytest.raises(StoreUnavailable):
        await DjangoMediaStore().put(ada, "image/png", PNG)
    assert not await in_store(MediaFile.objects.exists)


def ending(*refs: str) -> Ending:
    events: list[Event] = [GeneratedFile("image/png", ref, size=len(PNG)) for ref in refs]
    return Ending(state="complete", result={}, chunks=answer_chunks(events, "demo"), at=timezone.now())


def test_a_file_lives_as_long_as_its_chat(folder: Path) -> None:
    stream, context = make_turn("ada", "p")
    ref = media_store.store(context.owner_id, "image/png", PNG)
    loose = media_store.store(context.owner_id, "image/png", PNG)
    writes.write_chunks(stream.pk, ending(str(ref)))
    MediaFile.objects.update(created_at=timezone.now() - timedelta(days=31))
    retention.prune()
    assert list(MediaFile.objects.values_list("pk", "context")) == [(ref, context.pk)], f"{loose} was in no chat"
    assert ContextChunk.objects.get(kind="image").tokens > 0
    contexts.destroy(context)
    assert not MediaFile.objects.exists()
    for path in files(folder):
        os.utime(path, (time.time() - media_store.UNCLAIMED_S - 1,) * 2)
    assert media_store.sweep() == 2 and files(folder) == []


def test_a_file_that_waits_for_its_chat_is_left_alone(folder: Path) -> None:
    _, context = make_turn("ada", "p")
    waiting = media_store.store(context.owner_id, "image/png", PNG)
    MediaFile.objects.update(created_at=timezone.now() - timedelta(days=29))
    retention.prune()
    assert list(MediaFile.objects.values_list("pk", flat=True)) == [waiting] and len(files(folder)) == 1


def test_one_run_deletes_every_file_and_chat_that_is_due(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    _, context = make_turn("ada", "p")
    for _ in range(5):
        MediaFile.objects.create(owner_id=context.owner_id, media_type="image/png", size=1)
        Context.objects.create(owner_id=context.owner_id, deleted_at=timezone.now() - timedelta(days=2))
    MediaFile.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert retention.prune().contexts == 5
    assert not MediaFile.objects.exists() and Context.objects.count() == 1


def test_the_bytes_wait_for_a_database_that_is_away(folder: Path, monkeypatch: Any) -> None:
    stream, context = make_turn("ada", "p")

    def away(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(MediaFile.objects, "create", away)
        ref = media_store.store(context.owner_id, "image/png", PNG)
    assert not MediaFile.objects.exists() and len(files(folder)) == 1
    writes.write_chunks(stream.pk, ending(str(ref)))
    assert MediaFile.objects.get() == media_store.find(context.owner_id, ref)
    assert MediaFile.objects.get().size == len(PNG)


def test_the_files_of_another_person_are_not_claimed_by_naming_them(folder: Path) -> None:
    stream, context = make_turn("ada", "p")
    bob = get_user_model().objects.create_user("bob")
    ref = media_store.store(bob.pk, "image/png", PNG)
    writes.write_chunks(stream.pk, ending(str(ref)))
    assert MediaFile.objects.get().context is None
    assert Context.objects.get() == context and isinstance(ref, UUID)
    assert msgspec.json.encode(ending(str(ref)).chunks)
