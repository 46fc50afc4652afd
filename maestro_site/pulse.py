"""Signs of life of the worker and the schedule: times of files in the data folder, or keys in a configured Redis.

``python -m maestro_site.pulse worker`` (or ``beat``) ends with 0 after a recent one: the health check of a container.
"""

import os
import sys
import time
from contextlib import suppress
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

PERIOD_S = 10
"""Seconds between two signs of life."""
STALE_S = 45
"""Seconds after which a sign of life counts as missing."""


@lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    # The caller asks again anyway: a retry here would make every sign of life late while Redis is away.
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def beat(name: str) -> None:
    """Record that ``name`` is alive now; while Redis is away, nothing is recorded."""
    if settings.REDIS_URL:
        with suppress(redis.RedisError):
            _redis(settings.REDIS_URL).set(f"maestro:pulse:{name}", repr(time.time()), ex=STALE_S * 10)
    else:
        path, now = settings.DATA_DIR / "pulse" / name, time.time()
        path.touch()
        os.utime(path, (now, now))  # takes no space, which a full disk does not have


def forget(*names: str) -> None:
    """Remove the signs that an earlier start left. In Redis, which living workers may share, they expire instead."""
    for name in () if settings.REDIS_URL else names:
        (settings.DATA_DIR / "pulse" / name).unlink(missing_ok=True)


def age(name: str) -> float | None:
    """Return the seconds since ``name`` was last seen; ``None`` when it never was."""
    try:
        if settings.REDIS_URL:
            raw = _redis(settings.REDIS_URL).get(f"maestro:pulse:{name}")
            seen = float(raw.decode() if isinstance(raw, bytes) else "")
        else:
            seen = (settings.DATA_DIR / "pulse" / name).stat().st_mtime
        return max(0.0, time.time() - seen)
    except (OSError, ValueError, redis.RedisError):
        return None


def refusal() -> str:
    """Return why Redis refuses what ``REDIS_URL`` says, as a sentence; blank when it takes it, or is away for now."""
    try:
        ping_broker()
    except (redis.AuthenticationError, redis.ResponseError) as error:
        if isinstance(error, redis.AuthenticationError) or "HELLO AUTH" in str(error):
            return "Redis refuses REDIS_URL: its password (redis://:password@host:6379/0) is missing or wrong."
        return f"Redis refuses REDIS_URL: {error}."
    except (OSError, redis.RedisError):
        return ""
    return ""


def ping_broker() -> str:
    """Use the broker once and return its name. Raises ``OSError`` or ``redis.RedisError``."""
    if settings.REDIS_URL:
        _redis(settings.REDIS_URL).ping()
        return "Redis"
    probe = settings.DATA_DIR / "queue" / "in" / ".probe"
    probe.touch()
    probe.unlink(missing_ok=True)
    return "files in the data folder"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")
    found = age(sys.argv[1])
    sys.exit(0 if found is not None and found <= STALE_S else f"{sys.argv[1]} was not seen lately")
