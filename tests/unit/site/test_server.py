"""Stopping the children: at once, but for one that has sent a refresh."""

import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from maestro_site import server
from providers_app.refresh.flight import holder_of
from sessions_app.models import RefreshLane

STUBBORN = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refreshes", [True, False])
def test_a_child_with_a_refresh_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch, refreshes: bool) -> None:
    monkeypatch.setattr(server, "STOP_S", 0.2)
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    pid = child.pid if refreshes else child.pid + 1
    RefreshLane.objects.create(key="k", holder=holder_of(pid), lease_until=timezone.now() + timedelta(seconds=2))
    begun = time.monotonic()
    server._stop([child])
    took = time.monotonic() - begun
    assert child.returncode == -9
    assert (took > 1.5) is refreshes
