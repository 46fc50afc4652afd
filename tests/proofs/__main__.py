"""The proofs: ``python -m tests.proofs PROOF``.

    race     [--processes 8] [--expiries 1000] [--database postgres|sqlite]
    crash    [--runs 200] [--database sqlite|postgres]
    outcomes [--schedules 500] [--database sqlite|postgres] [--seed 1] [--only NUMBER]
    refresh  [--write FILE]     all three at full size, on both databases; their tables
    round-trip [--examples 10000] [--write FILE]
    sent-list [--examples 1000] [--write FILE]
    scripts [--runs 110] [--write FILE]
    continuation [--cuts 100] [--write FILE]
    reliability [--size full|small] [--only WORDS] [--write FILE]
    chaos [--size full|small] [--cells WORDS] [--write FILE]
    routes [--requests 1000] [--write FILE]
    soak [--minutes 30] [--write FILE]

The exit code is 0 when everything was as it must be.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.processes import ROOT
from tests.proofs.installation import open_installation
from tests.proofs.sections import when_and_where, write_section

FULL = (
    ("race", "--processes", "8", "--expiries", "1000", "--database", "postgres"),
    ("race", "--processes", "4", "--expiries", "1000", "--database", "sqlite"),
    ("crash", "--runs", "200", "--database", "sqlite"),
    ("crash", "--runs", "200", "--database", "postgres"),
    ("outcomes", "--schedules", "500", "--database", "sqlite"),
    ("outcomes", "--schedules", "500", "--database", "postgres", "--seed", "2"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description="The proofs.")
    proofs = parser.add_subparsers(dest="proof", required=True)
    race = proofs.add_parser("race", help="many processes refresh the same sessions at the same moment")
    race.add_argument("--processes", type=int, default=8)
    race.add_argument("--expiries", type=int, default=1000)
    race.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    crash = proofs.add_parser("crash", help="a process is killed at every step of a refresh")
    crash.add_argument("--runs", type=int, default=200)
    crash.add_argument("--database", choices=("postgres", "sqlite"), default="sqlite")
    outcomes = proofs.add_parser("outcomes", help="every wrong answer of a token server, in random schedules")
    outcomes.add_argument("--schedules", type=int, default=500)
    outcomes.add_argument("--database", choices=("postgres", "sqlite"), default="sqlite")
    outcomes.add_argument("--seed", type=int, default=1)
    outcomes.add_argument("--only", type=int, metavar="NUMBER", help="this schedule alone, with all that happened")
    both = proofs.add_parser("refresh", help="race, crash and outcomes at full size, on both databases")
    both.add_argument("--write", type=Path, help="also write the results, with date and commit, to this file")
    trip = proofs.add_parser("round-trip", help="random transcripts through every request form and back")
    trip.add_argument("--examples", type=int, default=10_000)
    trip.add_argument("--write", type=Path, help="also write the result, with date and commit, to this file")
    sent = proofs.add_parser("sent-list", help="random contexts, and what of them is in the bytes of every format")
    sent.add_argument("--examples", type=int, default=1000)
    sent.add_argument("--write", type=Path, help="also write the result, with date and commit, to this file")
    scripts = proofs.add_parser("scripts", help="scripts that end right after a stream, in every way")
    scripts.add_argument("--runs", type=int, default=110)
    scripts.add_argument("--write", type=Path, help="also write the result, with date and commit, to this file")
    fault = proofs.add_parser("reliability", help="fault stories with the real server: memory and recovery")
    fault.add_argument("--size", choices=("full", "small"), default="full")
    fault.add_argument("--only", default="", help="only the stories whose name contains this")
    fault.add_argument("--write", type=Path, help="also write the result, with date and commit, to this file")
    chaos = proofs.add_parser("chaos", help="the fault matrix: every cause of trouble on every surface")
    chaos.add_argument("--size", choices=("full", "small"), default="full")
    chaos.add_argument("--cells", default="", help="only cells whose name contains this: `redis: paused`")
    chaos.add_argument("--write", type=Path, help="also write the section of each part, with date and commit")
    two = proofs.add_parser("routes", help="an alias with two routes, one of which fails in every way")
    two.add_argument("--requests", type=int, default=1000)
    two.add_argument(
        "--write", type=Path, help="also write the result, with date and commit, as a section of this file"
    )
    soak = proofs.add_parser("soak", help="a server at half of its load for a long time: nothing may grow")
    soak.add_argument("--minutes", type=float, default=30.0)
    soak.add_argument(
        "--write", type=Path, help="also write the result, with date and commit, as a section of this file"
    )
    goes_on = proofs.add_parser("continuation", help="answers that are cut at random places, and go on")
    goes_on.add_argument("--cuts", type=int, default=100, help="in each row")
    goes_on.add_argument("--write", type=Path, help="also write the result, with date and commit, to this file")
    options = parser.parse_args()
    if options.proof == "soak":
        from tests.proofs.chaos import soak as long

        lines: list[str] = []
        whole = long.run(options.minutes, _saying(lines))
        if options.write is not None:
            write_section(options.write, long.TITLE, long.__doc__ or "", lines)
        return 0 if whole else 1
    if options.proof == "routes":
        from tests.proofs import routes

        lines = []
        whole = routes.run(options.requests, _saying(lines))
        if options.write is not None:
            write_section(options.write, routes.TITLE, routes.__doc__ or "", lines)
        return 0 if whole else 1
    if options.proof == "chaos":
        from tests.proofs.chaos import play

        return 0 if play.run(options.size == "full", _say, options.cells, options.write) else 1
    if options.proof == "reliability":
        from tests.proofs import reliability

        stories = [story for story in reliability.STORIES if options.only in story.name]
        lines = []
        whole = reliability.run(options.size == "full", _saying(lines), stories)
        if options.write is not None:
            write_section(options.write, reliability.TITLE, reliability.__doc__ or "", lines)
        return 0 if whole else 1
    if options.proof == "round-trip":
        from tests.proofs import round_trip

        return _generated(round_trip.run, round_trip.__doc__ or "", options.examples, options.write)
    if options.proof == "sent-list":
        with open_installation("sqlite", {}):
            from tests.proofs import sent_list

            return _generated(sent_list.run, sent_list.__doc__ or "", options.examples, options.write)
    if options.proof == "continuation":
        from tests.proofs import continuation

        return _generated(continuation.run, continuation.__doc__ or "", options.cuts, options.write)
    if options.proof == "scripts":
        from tests.proofs import script_end

        return _generated(script_end.run, script_end.__doc__ or "", options.runs, options.write)
    if options.proof == "refresh":
        return _full(options.write)
    if options.proof == "race":
        from tests.proofs.race import run as run_race

        return 0 if run_race(options.processes, options.expiries, options.database, _say) else 1
    if options.proof == "outcomes":
        from tests.proofs.outcomes import run as run_outcomes

        right = run_outcomes(options.schedules, options.database, _say, seed=options.seed, only=options.only)
        return 0 if right else 1
    from tests.proofs.crash import run as run_crash

    return 0 if run_crash(options.runs, options.database, _say) else 1


def _generated(run: Callable[..., bool], about: str, size: int, page: Path | None) -> int:
    lines: list[str] = []
    whole = run(size, _saying(lines))
    if page is not None:
        title, text = about.split("\n\n", 1)
        table = "\n".join(lines)
        head = f"# Proof of {title.partition(':')[0].lower()}\n\n`make proofs` writes this page.\n\n"
        page.write_text(f"{head}{text.strip()}\n\n{when_and_where()}\n\n{table}\n")
    return 0 if whole else 1


def _saying(lines: list[str]) -> Callable[[str], None]:
    """Return what prints a line and keeps it."""

    def say(line: str) -> None:
        lines.append(line)
        _say(line)

    return say


def _say(line: str) -> None:
    print(line, flush=True)


def _full(page: Path | None) -> int:
    """Each proof in a process of its own, because each has an installation of its own."""
    parts, code = [], 0
    for arguments in FULL:
        done = subprocess.run(
            [sys.executable, "-m", "tests.proofs", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout, flush=True)
        code = code or done.returncode
        parts.append(f"## `{' '.join(arguments)}`\n\n{_as_markdown(done.stdout)}")
    if page is not None:
        page.write_text(_page(parts))
    return code


def _as_markdown(text: str) -> str:
    """Tables stay tables; what is no table is shown as it was printed."""
    parts: list[tuple[bool, list[str]]] = []
    for line in text.strip().splitlines():
        table = line.startswith("|")
        if not parts or parts[-1][0] != table:
            parts.append((table, []))
        parts[-1][1].append(line)
    return "\n\n".join("\n".join(lines) if table else "```\n" + "\n".join(lines) + "\n```" for table, lines in parts)


def _page(parts: list[str]) -> str:
    return (
        "# Proofs of refreshing\n\n"
        "`make proofs` writes this page; `make race` and `make crash` run one of them. The race lets the access of\n"
        "ten sessions end again and again while every process refreshes all of them at one moment. The crash kills a\n"
        "process at every step of a refresh and lets fresh ones take over. The server is a strict one of our own: it\n"
        "ends a login whose refresh token comes twice, and it keeps the ledger.\n\n"
        "The outcomes play random schedules on logins of every flow that has a refresh. The server answers in every\n"
        "wrong way, before and after it has committed; processes are killed, stopped until their lease is over, and\n"
        "the clock jumps by an hour under them. An oracle that knows the rules alone counts the presentations that\n"
        "were forbidden; *named* are those that no process could know to be. `--seed 1 --only 7` plays one again.\n\n"
        f"{when_and_where()}\n\n" + "\n\n".join(parts) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
