"""A ceiling on what a person may ask of a provider through the pages, counted per process in fixed windows."""

import math
import time

from django.core.cache import cache


def allow(what: str, who: object, *, limit: int, window_s: int) -> bool:
    """Count one more ``what`` of ``who``; ``False`` when there were already ``limit`` in this window of seconds."""
    slot = math.floor(time.time() / window_s)
    key = f"throttle:{what}:{who}:{slot}"
    cache.add(key, 0, timeout=window_s * 2)
    try:
        return cache.incr(key) <= limit
    except ValueError:
        # Evicted between the two calls: an empty window.
        return True
