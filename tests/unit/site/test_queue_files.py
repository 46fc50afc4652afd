"""The queue of files: messages arrive once and whole, and a file that cannot be read stops nobody."""

from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection, Queue

from maestro_site import queue_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "queue" / "in"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def connection(folder: Path) -> Iterator[Connection]:
    options = {queue_files.FOLDER: str(folder), "polling_interval": 0.001}
    with Connection(queue_files.register(), transport_options=options) as opened:
        yield opened


def send(connection: Connection, *bodies: Any) -> None:
    queue = Queue("celery", routing_key="celery")
    for body in bodies:
        connection.Producer().publish(body, routing_key="celery", declare=[queue], serializer="json")


def received(connection: Connection) -> list[Any]:
    """Everything in the queue, each taken as a worker does."""
    found = []
    with connection.channel() as channel:
        while (message := channel.basic_get("celery", no_ack=True)) is not None:
            found.append(message.payload)
    return found


def test_messages_come_in_order_and_once(connection: Connection, folder: Path) -> None:
    send(connection, 1, {"two": "2"}, [3])
    assert connection.default_channel._size("celery") == 3
    assert received(connection) == [1, {"two": "2"}, [3]] and received(connection) == []
    assert list(folder.iterdir()) == []


def test_what_a_worker_did_not_finish_goes_back(connection: Connection) -> None:
    send(connection, "once more")
    with connection.channel() as channel:
        assert channel.basic_get("celery").payload == "once more"
    assert received(connection) == ["once more"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"body": "',
        b"\xff\xfe",
        b"[]",
        b"17",
        b'{"body": "x"}',
        b'{"body": "abc", "properties": {"delivery_tag": "1", "body_encoding": "base64"}}',
    ],
)
def test_a_file_that_is_no_message_is_moved_aside_with_one_line(
    connection: Connection, folder: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (folder / "0.celery.msg").write_bytes(content)
    send(connection, "behind it")
    assert received(connection) == ["behind it"]
    aside = folder.parent / "unreadable" / "0.celery.msg"
    assert aside.read_bytes() == content
    (record,) = caplog.records
    assert str(aside) in record.getMessage() and "\n" not in record.getMessage()


def test_a_folder_with_the_name_of_a_message_is_moved_aside(connection: Connection, folder: Path) -> None:
    (folder / "0.celery.msg").mkdir()
    send(connection, "behind it")
    assert received(connection) == ["behind it"]


def test_a_message_that_is_still_written_or_of_another_queue_is_not_read(connection: Connection, folder: Path) -> None:
    for name in (".0.celery.msg", "0.other.msg"):
        (folder / name).write_text("{")
    assert received(connection) == [] and len(list(folder.iterdir())) == 2


def test_another_worker_that_is_faster_is_no_error(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    send(connection, "taken")
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: (_ for _ in ()).throw(FileNotFoundError))
    with pytest.raises(Empty):
        connection.default_channel._get("celery")


def test_a_full_disk_refuses_the_message_and_leaves_nothing(
    connection: Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(connection, "declared")

    def full(path: Path, text: str) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            connection.default_channel._put("celery", {})
    send(connection, "there is space")
    assert received(connection) == ["declared", "there is space"] and list(folder.iterdir()) == []


def test_a_queue_is_emptied(connection: Connection, folder: Path) -> None:
    send(connection, 1, 2)
    assert connection.default_channel.queue_purge("celery") == 2 and list(folder.iterdir()) == []
