"""Stopping the children: at once, but for one that has sent a refresh."""

import subprocess
import sys
import threading
from datetime import timedelta

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
