"""The schedule: every periodic task is in it, as often as its work needs."""

from maestro_site.celery import app

SECONDS = {
    "maestro_site.pulse": 10,
    "sessions_app.purge_deleted": 30,
    "sessions_app.refresh_due": 30,
    "sessions_app.email_notices": 60,
    "sessions_app.watch": 300,
    "sessions_app.retire_dead": 3600,
    "context_app.take_over_stale_streams": 15,
    "context_app.prune": 3600,
    "maestro_site.prune_browsers": 3600,
}


def test_every_periodic_task_is_in_the_schedule_and_a_missed_run_is_not_made_up() -> None:
    entries = app.conf.beat_schedule.values()
    assert {entry["task"]: entry["schedule"] for entry in entries} == SECONDS
    assert all(entry["options"] == {"expires": entry["schedule"]} for entry in entries)


def test_every_task_of_ours_is_periodic_and_every_scheduled_one_exists() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.split(".")[0].endswith(("_app", "_site"))}
    assert ours == set(SECONDS)


def test_a_queue_of_files_is_looked_into_several_times_a_second() -> None:
    with app.connection_for_read() as connection:
        assert connection.transport.polling_interval is not None
        assert connection.transport.polling_interval < 1
