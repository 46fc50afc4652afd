"""``/readyz`` and its parts: what each says where it works and where it does not. Signs of life in files or Redis."""

import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django.db
import pytest
from django.db import DatabaseError, DataError, InterfaceError, connection
from django.test import Client, RequestFactory

from maestro_site import health, pulse
from maestro_site.asgi import application
from providers_app.errors import NotConfigured
from sessions_app import crypto, disk

pytestmark = pytest.mark.django_db
MB = 1024 * 1024
PARTS = ["database", "key ring", "disk", "broker", "worker", "beat"]


@pytest.fixture(params=["files", "redis"])
def signs(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    """Where the signs of life are kept."""
    settings.DATA_DIR = tmp_path
    for name in ("pulse", "queue/in"):
        (tmp_path / name).mkdir(parents=True)
    settings.REDIS_URL = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    pulse._redis.cache_clear()
    if settings.REDIS_URL:
        pulse._redis(settings.REDIS_URL).flushdb()
    return str(request.param)


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_the_process_answers(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert "no-store" in answer["Cache-Control"] and client.post("/healthz").status_code == 405


def test_every_part_works(client: Client, signs: str) -> None:
    pulse.beat("worker")
    pulse.beat("beat")
    code, found = ready(client)
    redis = signs == "redis"
    assert (code, found["status"], found["broken"]) == (200, "ready", [])
    assert found["shared_state"] == ("Redis" if redis else "per process")
    assert list(found["checks"]) == PARTS and all(check["ok"] for check in found["checks"].values())
    words = {name: check["detail"] for name, check in found["checks"].items()}
    assert words["database"] == ("SQLite" if connection.vendor == "sqlite" else "Postgres")
    assert words["broker"] == ("Redis" if redis else "files in the data folder")
    assert words["disk"].endswith(" MB free")
    assert words["key ring"] == "every key in use opens"
    assert all(re.fullmatch(r"seen \d+ s ago", words[name]) for name in ("worker", "beat"))


@pytest.mark.parametrize(("vendor", "name"), [("sqlite", "SQLite"), ("postgresql", "Postgres"), ("other", "other")])
def test_a_database_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch, vendor: str, name: str) -> None:
    monkeypatch.setattr(connection, "vendor", vendor)
    assert health._database() == health.Check("database", True, name)


@pytest.mark.parametrize("kind", [DatabaseError, InterfaceError])
def test_every_part_is_broken(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    settings.DATA_DIR = tmp_path / "away"

    def away(*_: Any) -> Any:
        raise kind

    monkeypatch.setattr(connection, "cursor", away)
    monkeypatch.setattr(crypto, "current", lambda: (_ for _ in ()).throw(NotConfigured("No key.")))
    code, found = ready(client)
    assert (code, found["status"], found["broken"]) == (503, "not ready", PARTS)
    words = {name: check["detail"] for name, check in found["checks"].items()}
    assert words["database"].endswith(" does not answer") and words["key ring"] == "No key."
    assert words["broker"] == "the queue folder is not writable"
    assert words["disk"] == "The data folder cannot be used (No such file or directory)."
    assert words["worker"] == words["beat"] == "not seen yet"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert ready(client)[1]["checks"]["broker"] == {"ok": False, "detail": "Redis does not answer"}


def test_a_full_disk_is_named_and_gone_from_the_answer_once_there_is_space(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, fine in ((0, False), (32 * MB - 1, False), (32 * MB, True)):
        monkeypatch.setattr(disk, "free_bytes", lambda free=free: free)
        found = ready(client)[1]
        assert ("disk" not in found["broken"]) is fine
        said = "32 MB free" if fine else f"The disk of the data folder is full: {free // MB} MB free, 32 MB needed."
        assert found["checks"]["disk"] == {"ok": fine, "detail": said}


def test_a_sign_of_life_gets_old(signs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pulse.age("worker") is None
    monkeypatch.setattr(pulse, "time", clock := SimpleNamespace(time=lambda: 1000.0))
    pulse.beat("worker")
    for seconds, fine in ((45, True), (46, False), (-5, True)):
        clock.time = lambda later=1000.0 + seconds: later
        assert health._seen("worker") == health.Check("worker", fine, f"seen {max(0, seconds)} s ago")
    pulse.forget("worker", "beat")
    assert (pulse.age("worker") is None) is (signs == "files"), "in Redis a sign may be a living worker's"


def test_a_sign_that_cannot_be_read_is_none(signs: str, settings: Any) -> None:
    if signs == "files":
        (settings.DATA_DIR / "pulse").rmdir()
    else:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert pulse.age("worker") is None


def test_a_proof_of_the_keys_holds_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    proven: list[Any] = []
    now = [1000.0]
    monkeypatch.setattr(health.crypto, "verify_in_use", proven.append)
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(health._Proof, "ring", None)
    for seconds, times in ((0, 1), (29, 1), (31, 2), (60, 2)):
        now[0] = 1000.0 + seconds
        assert health._key_ring().ok and len(proven) == times, seconds
    other = crypto.KeyRing.parse(crypto.KeyRing.generate())
    monkeypatch.setattr(crypto, "current", lambda: other)
    assert health._key_ring().ok and proven[2:] == [other], "another ring is proven at once"

    for kind in (DatabaseError, InterfaceError):

        def away(ring: Any, kind: type[Exception] = kind) -> None:
            raise kind

        monkeypatch.setattr(health.crypto, "verify_in_use", away)
        now[0] += 31
        assert health._key_ring() == health.Check("key ring", False, "cannot be compared with the database")


async def probe(path: str, method: str = "GET", host: bytes = b"localhost") -> tuple[int, Any]:
    """Ask as a probe does, past every middleware."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    head = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"host", host)]}
    await application(head, send, send)
    assert b"no-store" in dict(sent[0]["headers"]).get(b"Cache-Control", b"no-store")
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body) if body.startswith(b"{") else body


async def test_a_probe_needs_no_middleware(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.PARTS, "database", lambda: [health.Check("database", True, "here")])
    monkeypatch.setitem(health.PARTS, "broker", lambda: [health.Check("broker", False, "away")])
    monkeypatch.setattr(application.__globals__["django_application"], "_middleware_chain", None)
    assert await probe("/healthz") == (200, {"status": "alive"})
    code, found = await probe("/readyz")
    assert (code, found["broken"]) == (503, ["broker"])
    assert (await probe("/healthz", "POST"))[0] == (await probe("/readyz", "POST"))[0] == 405
    settings.ALLOWED_HOSTS = ["maestro.example"]
    assert (await probe("/readyz", host=b"elsewhere.example"))[0] == 400
    for host in (b"maestro.example", b"127.0.0.1:8000", b"localhost", b"[::1]:80"):
        assert (await probe("/healthz", host=host))[0] == 200, "a probe in the container asks by its own address"


async def test_a_part_that_hangs_is_named_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    gate = threading.Event()

    def hang() -> list[health.Check]:
        asked.append(1)
        gate.wait(60)
        return [health.Check("broker", True, "Redis")]

    monkeypatch.setattr(health, "ANSWER_S", 0.01)
    monkeypatch.delitem(health.PARTS, "database")
    monkeypatch.setitem(health.PARTS, "broker", hang)
    for _ in range(3):
        code, found = await probe("/readyz")
        assert (code, found["broken"]) == (503, ["broker"])
        assert found["checks"]["broker"]["detail"] == "did not answer within 0.01 s"
    assert asked == [1]
    monkeypatch.setattr(health, "ANSWER_S", 60)
    gate.set()
    assert (await probe("/readyz"))[0] == 200
    assert (await probe("/readyz"))[0] == 200 and len(asked) > 1, "a part that came back is asked anew"


@pytest.mark.parametrize("kind", ["OperationalError", "InterfaceError"])
def test_an_outage_is_503_in_the_words_of_django_and_of_the_driver(kind: str, rf: RequestFactory) -> None:
    for error in (getattr(django.db, kind), getattr(connection.Database, kind)):
        try:
            raise error("away")
        except Exception:
            answer = health.server_error(rf.get("/"))
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    try:
        raise ValueError("a bug")
    except ValueError:
        assert health.server_error(rf.get("/")).status_code == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DataError("A string literal cannot contain NUL (0x00) characters."), 400),
        (DataError("value too long"), 500),
        (ValueError("NUL"), 500),
        (InterfaceError("closed"), 503),
    ],
)
def test_the_page_of_an_error_has_the_status_of_its_cause(rf: RequestFactory, error: Exception, status: int) -> None:
    try:
        raise error
    except type(error):
        answer = health.server_error(rf.get("/"))
    assert answer.status_code == status and answer.content
    assert answer.has_header("Retry-After") is (status == 503)
