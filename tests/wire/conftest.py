"""The recordings are not part of the repository; without them their module is not collected."""

from tests.wire import recordings

collect_ignore = [] if recordings.available() else ["test_recordings.py"]
