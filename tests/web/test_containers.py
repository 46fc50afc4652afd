"""What ``Dockerfile`` and ``compose.yaml`` say, as far as it runs without a container: health checks and commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT, Up, environment

COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def ends_well(command: list[str], data: Path) -> bool:
    assert command[0] == "python"
    done = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=ROOT,
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0


def test_the_health_checks_pass_whatever_hosts_are_allowed(data: Path) -> None:
    check = json.loads(re.search(r"HEALTHCHECK.*\n\s+CMD (\[.*\])", DOCKERFILE)[1])  # type: ignore[index]
    others = [json.loads(found)[1:] for found in re.findall(r'test: (\["CMD", "python".*\])', COMPOSE)]
    assert [command[-1] for command in others] == ["worker", "beat"]
    with Up(data, MAESTRO_ALLOWED_HOSTS="maestro.example") as server:
        assert ends_well([part.replace(":8000/", f":{server.port}/") for part in check], data)
        assert all(ends_well(command, data) for command in others)


def test_every_variable_is_a_setting_and_those_without_a_default_are_required() -> None:
    names = set(re.findall(r"\b((?:MAESTRO_|DATABASE_|REDIS_)[A-Z_]+):", COMPOSE))
    listed = (ROOT / "docs/configuration.md").read_text()
    assert names and all(f"`{name}`" in listed for name in names)
    required = set(re.findall(r"\$\{(\w+):\?\}", COMPOSE))
    assert required == {"POSTGRES_PASSWORD", "MAESTRO_SECRET_KEY", "MAESTRO_ENCRYPTION_KEYS"}


def test_services_wait_for_the_migration() -> None:
    service = COMPOSE[COMPOSE.index("x-service:") : COMPOSE.index("services:\n")]
    assert re.search(r"migrate:\s+condition: service_completed_successfully", service)
    for name in ("web", "worker", "beat"):
        assert re.search(rf"\n  {name}:\n    <<: \*service\n", COMPOSE)
