"""``manage.py up`` as a newcomer and an operator meet it: the real process, started and stopped."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from websockets.sync.client import connect

from tests.processes import ROOT, Up, demo_session, environment, manage, rows
from tests.servers import free_port, wait_for_port
from tests.waiting import wait_until

STOPPED_S = 25.0
"""More is being stuck. How long it really takes is measured by the benchmarks (< 5 s), where nothing else runs."""


def ready(server: Up) -> httpx.Response:
    return httpx.get(f"{server.base}/readyz", trust_env=False)


def test_prints_the_link_into_a_pipe_once_it_is_ready(tmp_path: Path) -> None:
    with Up(tmp_path / "new" / "data") as server:
        assert sum("Open " in line for line in server.lines) == 1
        answer = ready(server)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()["checks"]) == {"database", "disk", "broker", "key ring", "worker", "beat"}
        assert answer.json()["dispatcher"] == "ok" and answer.headers["x-request-id"]
        assert httpx.get(f"{server.base}/healthz", trust_env=False).json() == {"status": "alive"}
        assert httpx.get(f"{server.base}/health", trust_env=False).json() == {"status": "ok"}
        assert httpx.get(f"{server.base}/metrics", trust_env=False).text.startswith("# status: ok.")
        for name in ("encryption.key", "secret.key", "welcome"):
            assert stat.S_IMODE((server.data / name).stat().st_mode) == 0o600, name
        client = server.client()
        assert client.get("/").status_code == 200
        (process,) = client.get("/health").json()["processes"]
        assert process["kind"] == "web" and 'maestro_processes{kind="web"} 1.0' in client.get("/metrics").text
        assert client.get(server.link).status_code == 410, "the link works once"
        token = server.link.rsplit("/", 1)[1]
        for file in server.data.rglob("*"):
            if file.is_file():
                assert token.encode() not in file.read_bytes(), f"the link's token lies in {file}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_with_a_stream_running(demo_data: Path, number: int) -> None:
    with Up(demo_data) as server:
        client = server.client()
        chat = client.post("/chats/new/", headers={"X-CSRFToken": client.cookies["csrftoken"]})
        context = chat.headers["location"].rstrip("/").rsplit("/", 1)[1]
        seen = ""
        with connect(
            f"ws://127.0.0.1:{server.port}/ws/chats/{context}/",
            origin=server.base,  # type: ignore[arg-type]
            additional_headers={"Cookie": "; ".join(f"{k}={v}" for k, v in client.cookies.items())},
        ) as chat_socket:
            session = demo_session(demo_data)
            frame = {"type": "send", "text": "Tell me a long story.", "session": session, "model": "demo-slow"}
            chat_socket.send(json.dumps(frame))
            while len(seen) < 20:
                message = json.loads(chat_socket.recv(60))
                if message["type"] == "events":
                    seen += "".join(event.get("text", "") for event in message["events"])
            code, seconds = server.stop(number)
        assert code == 0, server.lines
        assert seconds < STOPPED_S, f"took {seconds:.1f} s"
    query = "SELECT state, content FROM context_app_contextchunk WHERE kind = 'assistant' AND context_id = ?"
    (answer,) = rows(demo_data, query, UUID(context).hex)
    assert answer["state"] == "partial"
    assert answer["content"].startswith(seen), "what was shown is stored"
    with Up(demo_data) as again:
        assert ready(again).status_code == 200, "a second start on the same data is clean"


def test_a_taken_port_is_one_line_that_says_what_to_do(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = manage(data, "up", "--port", str(taken.getsockname()[1]))
    assert done.returncode != 0
    assert "is taken" in done.stderr and "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_an_unwritable_folder_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("not a folder")
    done = manage(blocked / "data", "up", "--port", str(free_port()))
    assert done.returncode != 0
    assert "MAESTRO_DATA_DIR" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_wrong_key_file_is_refused_and_nothing_is_replaced(data: Path) -> None:
    made = manage(data, "sessions", "create", "anthropic", "api_key", "work", "--key-stdin", stdin="sk-ant-x" * 5)
    assert made.returncode == 0, made.stderr
    key = data / "encryption.key"
    before = key.read_bytes()
    for wrong, said in ((b"garbage", "encryption.key"), (b"", "empty")):
        key.write_bytes(wrong)
        done = manage(data, "up", "--port", str(free_port()))
        assert done.returncode != 0
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    key.unlink()
    done = manage(data, "up", "--port", str(free_port()))
    assert done.returncode != 0 and "sealed" in done.stderr
    assert not key.exists(), "no new key is made over sealed credentials"
    key.write_bytes(before)
    assert manage(data, "sessions", "list").returncode == 0


def test_a_second_up_on_the_same_data_is_refused_with_the_address_of_the_first(data: Path) -> None:
    with Up(data) as first:
        for more in ((), ("--processes",)):
            done = manage(data, "up", "--port", str(free_port()), *more)
            assert done.returncode != 0
            assert f"already runs on the data folder {data}: {first.base}." in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert manage(data, "welcome").stdout.startswith(f"Open {first.base}/welcome/")
        assert ready(first).status_code == 200
    with Up(data) as again:
        assert ready(again).status_code == 200


def test_a_further_web_server_may_run_and_is_linked_to_once_the_first_has_ended(data: Path) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "up", "--web-only", "--port", str(port)]
    with Up(data) as first, subprocess.Popen(command, cwd=ROOT, env=environment(data)) as more:
        try:
            wait_for_port(port, more, timeout=60)
            assert manage(data, "welcome").stdout.startswith(f"Open {first.base}/welcome/")
            first.stop()
            link = f"Open http://127.0.0.1:{port}/welcome/"
            wait_until(lambda: manage(data, "welcome").stdout.startswith(link))
        finally:
            more.terminate()


@pytest.mark.parametrize("emptied", ["missing", "empty"])
def test_an_emptied_database_beside_a_key_is_named_and_not_made_anew(data: Path, emptied: str) -> None:
    assert manage(data, "sessions", "list").returncode == 0
    for file in data.glob("maestro.sqlite3*"):
        file.unlink()
    if emptied == "empty":
        (data / "maestro.sqlite3").touch()
    for command in (("up", "--port", str(free_port())), ("sessions", "list")):
        done = manage(data, *command)
        assert done.returncode == 1 and str(data / "encryption.key") in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    (data / "encryption.key").rename(data / "old.key")
    assert manage(data, "sessions", "list").returncode == 0


def test_what_others_could_read_is_made_private_at_start(data: Path) -> None:
    keys = [data / "encryption.key", data / "secret.key"]
    assert manage(data, "sessions", "list").returncode == 0
    for path in (data, *keys):
        path.chmod(0o755)
    assert manage(data, "sessions", "list").returncode == 0
    assert [stat.S_IMODE(path.stat().st_mode) for path in (data, *keys)] == [0o700, 0o600, 0o600]


def test_an_unknown_setting_stops_up_and_names_the_nearest(data: Path) -> None:
    done = manage(data, "up", MAESTRO_ALOWED_HOSTS="x")
    assert done.returncode != 0 and "MAESTRO_ALLOWED_HOSTS" in done.stderr
    warned = manage(data, "sessions", "list", MAESTRO_ALOWED_HOSTS="x")
    assert warned.returncode == 0 and "MAESTRO_ALLOWED_HOSTS" in warned.stderr


def test_readyz_names_a_worker_that_is_gone(data: Path) -> None:
    with Up(data) as server:
        pulse = server.data / "pulse" / "worker"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            # The schedule writes it again, so an old sign of life has to be looked at before the next one.
            os.utime(pulse, (time.time() - 3600,) * 2)
            answer = ready(server)
            if answer.status_code == 503:
                break
        assert answer.status_code == 503
        assert answer.json()["broken"] == ["worker"]


def test_three_processes_serve_and_stop_together(data: Path) -> None:
    with Up(data, "--processes") as server:
        assert ready(server).status_code == 200
        assert server.client().get("/sessions/").status_code == 200
        code, seconds = server.stop(signal.SIGTERM)
        assert code == 0, server.lines
        assert seconds < STOPPED_S, f"took {seconds:.1f} s"


def test_a_sign_in_link_leads_to_the_server_that_runs(data: Path) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "up", "--web-only", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(data)) as process:
        try:
            wait_for_port(port, process, timeout=30)
            assert manage(data, "welcome").stdout.startswith(f"Open http://127.0.0.1:{port}/welcome/")
        finally:
            process.terminate()


def test_an_asgi_server_without_manage_py_prepares_itself(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "maestro_site.asgi:application", "--lifespan", "on", "--port", str(port)],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process, timeout=120)
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert answer.status_code == 503
        assert answer.json()["broken"] == ["worker", "beat"], "it says what this process does not have"
    finally:
        process.terminate()
        process.wait(60)
