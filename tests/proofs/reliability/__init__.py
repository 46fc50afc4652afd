"""Each row is a story with the real server (`manage.py up`; for outages two web processes, worker and schedule on
Postgres and Redis, none of them restarted): what was done to it, how many MiB its processes had before and took at most
on top of that, its slowest `/healthz` meanwhile, how it recovered, and whether everything that has to hold did. A row
that does not hold says why below the table, and the proof ends with exit code 1.
"""

from collections.abc import Callable, Iterable

from tests.proofs.reliability import answers, full_disk, healing, outages
from tests.proofs.reliability.story import COLUMNS, Story

TITLE = "What happens to a running server when something goes wrong"
STORIES: tuple[Story, ...] = (*answers.STORIES, *healing.STORIES, *full_disk.STORIES, *outages.STORIES)
"""In the order of the table. A subject is a module with a tuple ``STORIES`` of its own."""


def run(full: bool, say: Callable[[str], None], stories: Iterable[Story] = STORIES) -> bool:
    """Tell the stories at ``full`` or small size, print a row for each; ``True`` when everything held."""
    say("| " + " | ".join(COLUMNS) + " |")
    say("|---|---:|---:|---:|---|---|")
    problems = []
    for story in stories:
        try:
            row = story.tell(full)
        except Exception as error:  # one story that breaks must not hide the others
            problems.append(f"{story.name}: {type(error).__name__}: {error}")
            say(f"| {story.name} | | | | | no |")
            continue
        say(row.line(story.name))
        problems += [f"{story.name}: {problem}" for problem in row.problems]
    if problems:
        say("")
    for problem in problems:
        say(f"- {problem}")
    return not problems
