"""Lists of models: given from the cache through the interface and the real store, and a long one filtered."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks._row import Row, below

CALLS = 300
MODELS = 2_000
ROUNDS = 60

LISTING = """
from providers_app.types.catalogue import ModelInfo

ABLE = ("chat", "streaming", "tools"), ("chat", "streaming"), ()


class Models:
    async def list(self, credential, http):
        return [
            ModelInfo(
                id=f"vendor-{{n % 40}}/family-{{n % 7}}-model-{{n}}",
                name=f"Vendor {{n % 40}}: Model {{n}}",
                context_window=(n % 50 + 1) * 8_192,
                input_price=(n % 90) / 10,
                capabilities=ABLE[n % 3],
                input_modalities=("text", "image") if n % 4 == 0 else ("text",),
                lifecycle="deprecated" if n % 11 == 0 else None,
            )
            for n in range(2_000)
        ]

    async def get(self, model_id, credential, http):
        raise NotImplementedError


BEHAVIOUR = Models()
"""


def run() -> list[Row]:
    """Needs a data folder of its own (MAESTRO_DATA_DIR), which the runner gives."""
    from providers_app import providers
    from providers_app.registry.discovery import registry
    from tests.unit.providers.packages import write_package

    with tempfile.TemporaryDirectory() as folder:
        write_package(Path(folder), "bench", {"models.py": LISTING})
        providers.__path__.append(folder)
        registry.reset()
        try:
            return _measured()
        finally:
            providers.__path__.remove(folder)
            registry.reset()


def _measured() -> list[Row]:
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    from maestro_site import bootstrap
    from providers_app import loop, ports, provider
    from providers_app.types.credentials import Secret
    from sessions_app.services import connect

    bootstrap.prepare_database()
    bootstrap.prepare_key_ring()
    owner = get_user_model().objects.create_user("bench").pk
    for slug in ("bench", "demo"):
        kind: Any = "api_key" if slug == "bench" else "none"
        secret = Secret("k" * 20 if slug == "bench" else "")
        connect.create(owner_id=owner, provider=slug, auth_type=kind, name="box", secret=secret, base_url=None)

    async def cached(slug: str) -> tuple[int, list[float], list[float]]:
        """How many models there are, the times of listing them, and of the look-up of the session in it."""
        models = await provider.list_models(slug, None, "box", owner=owner)
        times, lookups, store = [], [], ports.session_store()
        for _ in range(CALLS):
            begun = time.perf_counter()
            await store.lookup(owner, slug, "box")
            found = time.perf_counter()
            await provider.list_models(slug, None, "box", owner=owner)
            times.append(time.perf_counter() - found)
            lookups.append(found - begun)
        return len(models), times, lookups

    rows = []
    for slug in ("demo", "bench"):
        count, times, lookups = loop.run(cached(slug), 120)
        median, lookup = statistics.median(times), statistics.median(lookups)
        name = f"list_models from the cache, {count:,} models, median of {CALLS}"
        rows.append(
            below(name, median * 1000, 5, "ms", digits=2, note=f"{lookup * 1000:.2f} ms of it finds the session")
        )
    models = loop.run(provider.list_models("bench", None, "box", owner=owner), 60)
    return rows + _filtered(models)


def _filtered(models: list[Any]) -> list[Row]:
    from providers_app.listing.search import ModelQuery, search
    from providers_app.types.catalogue import Capabilities

    assert len(models) == MODELS
    declared = Capabilities(names=frozenset({"chat", "streaming", "tools"}))
    whole = ModelQuery(
        text="vendor model",
        supports=("tools",),
        reads=("image",),
        min_window=32_768,
        max_price=5.0,
        lifecycle=("active",),
        sort="price",
    )
    slip = ModelQuery(text="vendro famyly")
    assert 0 < len(search(models, whole, declared)) < MODELS
    assert len(search(models, slip, declared)) == MODELS
    plain = _best(lambda: [model for model in models if "vendor" in model.id])
    rows = []
    for words, query in (("every filter and an order", whole), ("words with slips", slip)):
        best = _best(lambda query=query: search(models, query, declared))
        note = f"{best / plain:.0f}x a plain look at each id"
        rows.append(below(f"{MODELS:,} models: {words}", best * 1000, 20, "ms", digits=2, note=note))
    return rows


def _best(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)
