"""The children: restarted when they die, stopped at once, but for one that has sent a refresh."""

import subprocess
import sys
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from maestro_site import server
from providers_app.refresh.flight import holder_of
from sessions_app.models import RefreshLane

STUBBORN = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"


def stop(child: "subprocess.Popen[bytes]") -> None:
    server._stop([child])
    connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refreshes", [True, False])
def test_a_child_with_a_refresh_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch, refreshes: bool) -> None:
    monkeypatch.setattr(server, "STOP_S", 0.2)
    monkeypatch.setattr(server, "REFRESH_S", 600.0)
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    pid = child.pid if refreshes else child.pid + 1
    RefreshLane.objects.create(key="k", holder=holder_of(pid), lease_until=timezone.now() + timedelta(minutes=10))
    stopping = threading.Thread(target=stop, args=(child,))
    stopping.start()
    stopping.join(2 if refreshes else None)
    assert stopping.is_alive() is refreshes, "it waits for the refresh of its child, and for that of no other"
    RefreshLane.objects.update(lease_until=None)
    stopping.join()
    assert child.returncode == -9


class Clock(threading.Event):
    """The stop event, with a time of its own: waiting takes none, and ends the run at ``limit_s``."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self.now, self.limit_s = 0.0, limit_s
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0
        self.waited.append(timeout or 0)
        return self.is_set() or self.now >= self.limit_s


class Child:
    """A child that ends ``life_s`` seconds after its start with exit code 7."""

    pid = 0

    def __init__(self, clock: Clock, life_s: float) -> None:
        self.clock, self.ends, self.returncode = clock, clock.now + life_s, 7
        self.stopped = False

    def poll(self) -> int | None:
        return 7 if self.clock.now >= self.ends else None

    def terminate(self) -> None:
        self.stopped = True

    def wait(self, timeout: float) -> int:
        return 7


@pytest.mark.parametrize(
    ("life_s", "code", "starts"), [(0.0, 1, 6), (30.0, 1, 6), (59.0, 1, 6), (61.0, 0, 17)], ids=str
)
def test_a_child_that_dies_is_started_again_but_not_one_that_dies_again_and_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], life_s: float, code: int, starts: int
) -> None:
    clock, started = Clock(1000.0), list[tuple[str, Child]]()
    announced = threading.Event()

    def start(command: list[str]) -> Any:
        name = "beat" if "beat" in command else "worker" if "worker" in command else "web"
        started.append((name, Child(clock, life_s if name == "worker" else 10_000.0)))
        return started[-1][1]

    monkeypatch.setattr(server, "_start", start)
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(server.pulse, "forget", lambda *names: None)
    assert server.run_processes("127.0.0.1", 8123, clock, lambda stop: announced.set()) == code
    names = [name for name, _ in started]
    assert (names.count("web"), names.count("beat"), names.count("worker")) == (1, 1, starts)
    assert announced.wait(10) and all(child.stopped for name, child in started if name != "worker")
    told = capsys.readouterr().err
    assert told == ("error: worker ended 6 times (exit code 7); stopping.\n" if code else "")
    pauses = [seconds for seconds in clock.waited if seconds != 0.2]
    assert pauses[:5] == ([0.4, 0.8, 1.6, 3, 3] if code else [0.4] * 5), "longer before each next start"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("maestro.example", "http://maestro.example:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("fd00::7", "http://[fd00::7]:8000"),
    ],
)
def test_the_address_is_one_that_a_person_on_this_machine_can_open(host: str, address: str) -> None:
    assert server.address(host, 8000) == address
    assert address == f"http://{server.host_name(host)}:8000"


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_the_child_that_dies_again_and_again_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    clock, forgotten = Clock(1000.0), list[str]()

    def start(command: list[str]) -> Any:
        kind = next((one for one in ("worker", "beat") if one in command), "web")
        return Child(clock, 0.0 if kind == name else 10_000.0)

    monkeypatch.setattr(server, "_start", start)
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(server.pulse, "forget", lambda *names: forgotten.extend(names))
    assert server.run_processes("127.0.0.1", 8123, clock, lambda stop: None) == 1
    assert capsys.readouterr().err == f"error: {name} ended 6 times (exit code 7); stopping.\n"
    assert forgotten == ["worker", "beat"], "what an earlier start left says nothing of this one"
