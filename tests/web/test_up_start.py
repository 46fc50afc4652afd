"""How ``manage.py`` begins and ends when something is in the way: signals, races, hosts, databases, owners."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, Up, environment, manage
from tests.servers import free_port

SIGNAL_FIRST = """
import os, signal, sys
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
django.setup()
from maestro_site import server
stopping = server.catch_signals()
os.kill(os.getpid(), signal.{name})
sock = server.listen("127.0.0.1", {port})
server.serve(sock, stopping, on_stop=lambda: None, on_start=lambda stop: None)
print("returned", flush=True)
os._exit(0)
"""

STALE_PULSES = """
import os, time
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
django.setup()
from maestro_site import bootstrap, pulse
bootstrap.prepare_database()
bootstrap.prepare_key_ring()
for name in ("worker", "beat"):
    pulse.beat(name)
from maestro_site.background import Background
begun = time.time()
background = Background()
time.sleep(0.2)
background.start()
first = pulse.age("worker")
assert first is None or first < time.time() - begun - 0.2, first
while pulse.age("worker") is None or pulse.age("beat") is None:
    assert time.time() - begun < 60
    time.sleep(0.02)
print("seen", flush=True)
os._exit(0)
"""


def script(data: Path, code: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(data, **extra),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode not in {0, -15}, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_before_the_server_listens_is_not_lost(tmp_path: Path, name: str) -> None:
    done = script(tmp_path, SIGNAL_FIRST.format(name=name, port=free_port()))
    assert (done.returncode, done.stdout.strip()) == (0, "returned"), done.stderr


def test_what_an_earlier_start_left_is_no_sign_of_life(data: Path) -> None:
    done = script(data, STALE_PULSES)
    assert done.stdout.strip() == "seen", done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_impatient_operator_ends_it_all_the_same(data: Path, number: int) -> None:
    with Up(data) as server:
        assert server.process is not None
        begun = time.monotonic()
        for _ in range(3):
            server.process.send_signal(number)
            time.sleep(0.05)
        assert server.process.wait(60) == 0, server.lines
        assert time.monotonic() - begun < 30
        assert not any("Traceback" in line for line in server.lines), server.lines


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")])
def test_the_printed_link_works_whatever_the_allowed_hosts(data: Path, host: str, shown: str) -> None:
    if ":" in host:
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                pytest.skip("this machine has no IPv6")
    with Up(data, "--host", host, MAESTRO_ALLOWED_HOSTS="maestro.example") as server:
        assert server.link.startswith(f"http://{shown}:{server.port}/welcome/")
        server.base = f"http://{shown}:{server.port}"
        assert server.client().get("/").status_code == 200
        deadline = time.monotonic() + 60
        while host in {"0.0.0.0", "::"} and time.monotonic() < deadline:
            if any("MAESTRO_ALLOWED_HOSTS" in line for line in server.lines):
                break
            time.sleep(0.05)
        else:
            assert host == "::1", server.lines


def test_processes_that_start_at_once_on_fresh_data_all_work(tmp_path: Path) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, "manage.py", "sessions", "list", "--json"],
            cwd=ROOT,
            env=environment(tmp_path / "data"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for command in commands:
        out, err = command.communicate(timeout=120)
        assert (command.returncode, out.strip()) == (0, "[]"), err


def test_a_database_that_is_away_or_misspelt_is_one_line_without_its_password(tmp_path: Path) -> None:
    away = f"postgres://maestro:hunter22@127.0.0.1:{free_port()}/maestro"
    for arguments in (("migrate",), ("up", "--port", str(free_port()))):
        done = manage(tmp_path, *arguments, DATABASE_URL=away)
        one_line(done, "DATABASE_URL")
        assert "hunter22" not in done.stderr
    for wrong in ("postgres://maestro:hunter22@host:port22/db", "postgres://maestro:hunter22@[host/db"):
        done = manage(tmp_path, "sessions", "list", DATABASE_URL=wrong)
        one_line(done, "DATABASE_URL")
        assert "hunter22" not in done.stderr and "port22" not in done.stderr


@pytest.mark.parametrize("keys", ["garbage", "k1:" + "A" * 43 + "=,k1:" + "B" * 43 + "="])
def test_malformed_keys_are_one_line_that_quotes_none(data: Path, keys: str) -> None:
    done = manage(data, "sessions", "list", MAESTRO_ENCRYPTION_KEYS=keys)
    one_line(done, "MAESTRO_ENCRYPTION_KEYS")
    assert "A" * 8 not in done.stderr


def test_an_empty_or_impossible_host_is_one_line(data: Path) -> None:
    for host in ("", "a" * 70 + ".example"):
        one_line(manage(data, "up", "--host", host, "--port", str(free_port())), "--host")


def test_without_an_active_superuser_nobody_is_made_one(data: Path) -> None:
    assert manage(data, "sessions", "list").returncode == 0
    disable = "from django.contrib.auth.models import User; User.objects.update(is_active=False)"
    assert manage(data, "shell", "-v", "0", "-c", disable).returncode == 0
    one_line(manage(data, "welcome"), "createsuperuser")


def test_a_reader_that_leaves_is_no_error(demo_data: Path) -> None:
    for command in ("models try_demo", "chat try_demo --json hello"):
        done = subprocess.run(
            ["sh", "-c", f"'{sys.executable}' manage.py {command} | true"],
            cwd=ROOT,
            env=environment(demo_data),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr, (command, done.stderr)
