"""What processes leave for one another in the data folder: counts never fall, and a broken file is no error."""

import os
import threading
import time
from pathlib import Path

from maestro_site.monitoring import files
from maestro_site.monitoring.overview import overview
from providers_app.measures import Sample
from tests.unit.site.monitoring.conftest import Make

KEY = ("maestro_requests_total", "demo", "s", "m", "ok")


def counted(number: float) -> Sample:
    return Sample({KEY: number}, {("maestro_request_seconds", "demo"): [number, 0.5]})


def test_a_process_leaves_its_values_for_the_others(make: Make) -> None:
    snapshot = make(at=time.time(), sample=counted(3), live_streams=2)
    assert files.publish(snapshot, again=False)
    assert files.publish(snapshot, again=True)
    assert files.snapshots() == [snapshot]


def test_counts_of_a_process_that_ended_are_kept(make: Make, folder: Path) -> None:
    now = time.time()
    files.publish(make("one", at=now, sample=counted(3)), again=False)
    files.publish(make("two", at=now, sample=counted(4)), again=False)
    files.leave(make("one", at=now, sample=counted(5)))
    files.leave(make("three", at=now, sample=counted(1)))
    assert [each.process for each in files.snapshots()] == ["two"]
    assert files.ended().counters == {KEY: 6}
    assert overview().sample.counters == {KEY: 10}
    assert overview().sample.histograms == {("maestro_request_seconds", "demo"): [10, 1.5]}


def test_a_killed_process_is_kept_after_an_hour_and_begins_anew_if_it_only_slept(make: Make, folder: Path) -> None:
    now = time.time()
    files.publish(make("slept", at=now, sample=counted(3)), again=False)
    files.publish(make("lives", at=now, sample=counted(1)), again=False)
    long_ago = now - files.SILENT_S - 1
    os.utime(folder / "slept.state", (long_ago, long_ago))
    files.keep_silent()
    assert files.ended().counters == {KEY: 3} and overview().sample.counters == {KEY: 4}
    assert not files.publish(make("slept", at=now, sample=counted(3)), again=True), "else it would count twice"
    assert overview().sample.counters == {KEY: 4}


def test_files_that_cannot_be_read_are_left_out(make: Make, folder: Path) -> None:
    files.publish(make("good", at=time.time(), sample=counted(1)), again=False)
    (folder / "bad.state").write_bytes(b"\x00 no snapshot")
    (folder / "ended").write_bytes(b"")
    (folder / "orders").write_bytes(b"\xff")
    assert [each.process for each in files.snapshots()] == ["good"]
    assert files.ended() == Sample() and files.orders() == []


def test_nothing_is_read_where_nothing_was_written() -> None:
    assert files.snapshots() == [] and files.orders() == [] and files.ended() == Sample()


def test_orders_are_read_by_all_for_a_while() -> None:
    made = [files.order("demo", "s", model) for model in ("a", "b")]
    assert files.orders() == made
    assert len({each.id for each in made}) == 2


def test_the_installation_begins_anew(make: Make) -> None:
    files.publish(make("old", at=time.time(), sample=counted(3)), again=False)
    files.leave(make("older", at=time.time(), sample=counted(3)))
    files.order("demo", "s", "m")
    files.clean()
    assert files.snapshots() == [] and files.orders() == [] and files.ended() == Sample()


def test_processes_that_end_at_once_lose_nothing(make: Make) -> None:
    now = time.time()
    threads = [
        threading.Thread(target=files.leave, args=(make(f"p{number}", at=now, sample=counted(1)),))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.ended().counters == {KEY: 16}


def test_a_folder_that_cannot_be_made_keeps_no_installation_from_starting(folder: Path) -> None:
    folder.write_text("no folder")
    files.clean()
    assert files.snapshots() == []
