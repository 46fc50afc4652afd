"""The publisher: what a process leaves and follows, what tokens cost, and that counts are never counted twice."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maestro_site import apps
from maestro_site.monitoring import files, publisher
from maestro_site.monitoring.overview import overview
from maestro_site.monitoring.publisher import Publisher
from maestro_site.monitoring.snapshots import COST
from providers_app import conf, loop, measures
from providers_app.dispatch.lanes import current
from providers_app.measures import REQUESTS
from providers_app.ports import Session
from providers_app.registry.settings import ProvidersConfig
from providers_app.resilience.breaker import Breaker, BreakerState
from providers_app.types.events import Usage
from tests.waiting import until

KEY = (REQUESTS.name, "demo", "s", "m", "ok")


@pytest.fixture
async def on_loop() -> AsyncIterator[None]:
    loop.detach()
    loop.attach(asyncio.get_running_loop())
    yield
    await loop.shutdown(0.5)


def ask(count: int = 1, model: str = "m", usage: Usage | None = None) -> None:
    for _ in range(count):
        measures.here.row("demo", "s", model).ended("ok", usage, 0.1, 0.2)


def opened() -> Breaker:
    session = Session(id="s", owner=1, provider="demo", auth_type="none", name="try", status="active")
    breaker = current().route(session, "m").breaker
    now = asyncio.get_running_loop().time()
    for _ in range(5):
        breaker.failed(breaker.now, now, "no 503")
    assert breaker.state is BreakerState.OPEN
    return breaker


@pytest.mark.usefixtures("on_loop")
async def test_a_server_publishes_itself_and_what_it_knows() -> None:
    ask(2)
    opened()
    publisher.start("worker")
    await until(files.snapshots)
    (found,) = overview().processes
    assert (found.kind, found.sample.counters[KEY]) == ("worker", 2)
    (circuit,) = overview().circuits
    assert circuit.state.why.startswith("5 of 5 requests") and circuit.state.recent == (True,) * 5


@pytest.mark.usefixtures("on_loop")
async def test_a_circuit_that_a_person_closed_elsewhere_is_closed_here_once() -> None:
    breaker, here = opened(), Publisher()
    before = files.order("demo", "s", "m")
    here._started_at = before.at + 1
    await here.publish()
    assert breaker.state is BreakerState.OPEN, "an order from before this process began is not for it"
    here._started_at = before.at - 1
    await here.publish()
    assert breaker.state is BreakerState.CLOSED
    opened()
    await here.publish()
    assert breaker.state is BreakerState.OPEN, "what fails again is not closed for ever"


@pytest.mark.usefixtures("on_loop")
async def test_closing_here_is_at_once_and_tells_the_others() -> None:
    breaker, here = opened(), Publisher()
    await asyncio.to_thread(here.close, "demo", "s", "m")
    assert breaker.state is BreakerState.CLOSED
    assert [(each.provider, each.session, each.model) for each in files.orders()] == [("demo", "s", "m")]
    opened()
    await here.publish()
    assert breaker.state is BreakerState.OPEN, "it followed its own order already"
    await asyncio.to_thread(here.close, "demo", "s", "unknown")


@pytest.mark.usefixtures("on_loop")
async def test_a_process_whose_counts_were_kept_without_it_begins_anew(folder: Path) -> None:
    here = Publisher()
    ask(3)
    await here.publish()
    path = folder / f"{here.process}.state"
    os.utime(path, (1, 1))
    files.keep_silent()
    ask(1)
    await here.publish()
    assert overview().sample.counters[KEY] == 3 and not path.exists()
    ask(2)
    await here.publish()
    assert overview().sample.counters[KEY] == 5


@pytest.mark.usefixtures("on_loop")
async def test_tokens_cost_what_their_model_costs_when_they_come() -> None:
    prices = {"input_price": 10.0, "output_price": 100.0, "cached_input_price": 1.0}
    with conf.use(ProvidersConfig(configured_models={"demo": {"priced": prices}})):
        here = Publisher()
        ask(2, "priced", Usage(input_tokens=1000, cached_input_tokens=400, output_tokens=50))
        ask(1, "unpriced", Usage(input_tokens=1000, output_tokens=50))
        first = await here.take()
        again = await here.take()
    key = (COST.name, "demo", "s", "priced")
    expected = 2 * (600 * 10 + 400 * 1 + 50 * 100) / 1e6
    assert first.sample.counters[key] == again.sample.counters[key] == pytest.approx(expected)
    assert (COST.name, "demo", "s", "unpriced") not in first.sample.counters
    ask(1, "priced", Usage(output_tokens=10))
    with conf.use(ProvidersConfig(configured_models={"demo": {"priced": {**prices, "output_price": 200.0}}})):
        later = await here.take()
    assert later.sample.counters[key] == pytest.approx(expected + 10 * 200 / 1e6)


def test_a_command_leaves_its_counts_when_it_ends_and_nothing_where_it_asked_nothing(folder: Path) -> None:
    publisher.here = Publisher()
    apps._keep_counts()
    assert not folder.exists()
    ask(2)
    apps._keep_counts()
    apps._keep_counts()
    assert overview().sample.counters[KEY] == 2 and files.snapshots() == []


def test_a_data_folder_that_cannot_be_written_ends_no_command(folder: Path) -> None:
    folder.parent.chmod(0o500)
    folder.write_text("no folder")
    publisher.here = Publisher()
    ask()
    apps._keep_counts()


@pytest.fixture
def no_folder(folder: Path) -> str:
    folder.write_text("no folder")
    return str(folder)


@pytest.mark.usefixtures("on_loop")
async def test_a_publication_that_fails_is_tried_again(no_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncio.sleep", lambda seconds: _soon())
    publisher.start("web")
    await until(lambda: publisher.here.monitor is not None)
    os.unlink(no_folder)
    await until(files.snapshots)
    assert time.time() - files.snapshots()[0].at < 60


_real_sleep = asyncio.sleep


async def _soon() -> None:
    await _real_sleep(0.005)
