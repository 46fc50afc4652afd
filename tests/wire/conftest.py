"""The recordings are not part of the repository; without them their modules are not collected."""

from tests.wire import recordings

collect_ignore = (
    [] if recordings.available() else ["test_recordings.py", "test_recorded_answers.py", "test_recorded_models.py"]
)
