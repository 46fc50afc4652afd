"""OpenTelemetry: a span and metrics by the conventions, content only where it is asked for, nothing while it is off."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured

from maestro_site.monitoring import telemetry
from maestro_site.monitoring.telemetry import SECONDS, TOKENS, Telemetry
from providers_app import errors, measures, provider

sdk = pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[..., Awaitable[str]]

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"id":"chatcmpl-7","model":"m-2","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    b'data: {"id":"chatcmpl-7","model":"m-2","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
    b"data: [DONE]\n\n"
)
NO = b'HTTP/1.1 500 No\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"error":{"message":"no"}}'


class Recorded:
    """An exporter in memory, and the metrics of a reader in memory."""

    def __init__(self) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))

    def listen(self, *, content: bool = False) -> None:
        tracer, meter = self.tracers.get_tracer("t"), self.meters.get_meter("t")
        measures.here.listener = Telemetry(tracer, meter, content=content)

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    yield Recorded()
    measures.here.listener = None


@pytest.fixture
async def answers(on_loop: Any, loopback: Any, sessions: Any, raw_server: Start) -> list[bytes]:
    script: list[bytes] = []

    async def answer(reader: Any, writer: Any) -> None:
        writer.write(script.pop(0) if script else OK)
        await writer.drain()

    url = await raw_server(answer)
    await provider.create_session("remote", "api_key", name="box", api_key="sk-local-1234567890", base_url=url)
    return script


async def ask(**options: Any) -> None:
    async for _ in provider.stream_chat("remote", "box", "Hello there", model="m", **options):
        pass


@pytest.mark.usefixtures("answers")
async def test_a_request_is_a_span_by_the_conventions(recorded: Recorded) -> None:
    recorded.listen()
    await ask(temperature=0.5, max_output_tokens=100, stop=("END",), seed=7, top_p=0.9)
    (span,) = recorded.spans.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.UNSET)
    found = dict(span.attributes or {})
    first = found.pop("gen_ai.response.time_to_first_chunk")
    assert isinstance(first, float) and 0 < first <= (span.end_time - span.start_time) / 1e9 + 0.001  # type: ignore[operator]
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "remote",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.id": "chatcmpl-7",
        "gen_ai.response.model": "m-2",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 4,
    }


@pytest.mark.usefixtures("answers")
async def test_its_tokens_and_times_are_metrics_with_the_buckets_of_the_conventions(recorded: Recorded) -> None:
    recorded.listen()
    await ask()
    found = recorded.metrics()
    tokens = {
        point.attributes["gen_ai.token.type"]: point for point in found["gen_ai.client.token.usage"].data.data_points
    }
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 9, "output": 3}
    assert tuple(tokens["input"].explicit_bounds) == TOKENS and TOKENS[-1] == 4**13
    for name in ("gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk"):
        (point,) = found[name].data.data_points
        assert found[name].unit == "s" and point.count == 1 and tuple(point.explicit_bounds) == SECONDS
        assert point.attributes["gen_ai.response.model"] == "m-2"
    assert SECONDS[0] == 0.01 and SECONDS[-1] == pytest.approx(81.92)


async def test_a_failure_is_an_error_with_its_code(recorded: Recorded, answers: list[bytes]) -> None:
    recorded.listen()
    answers.append(NO)
    with pytest.raises(errors.ServerError):
        await ask()
    (span,) = recorded.spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert span.status.status_code is StatusCode.ERROR
    assert attributes["error.type"] == "upstream_server_error" and "gen_ai.response.id" not in attributes
    (point,) = recorded.metrics()["gen_ai.client.operation.duration"].data.data_points
    assert point.attributes["error.type"] == "upstream_server_error"


@pytest.mark.usefixtures("answers")
async def test_content_is_recorded_only_where_it_is_asked_for(recorded: Recorded) -> None:
    recorded.listen()
    await ask()
    assert "Hello there" not in str(recorded.spans.get_finished_spans()[0].to_json())
    recorded.listen(content=True)
    await ask()
    attributes = dict(recorded.spans.get_finished_spans()[1].attributes or {})
    assert msgspec.json.decode(str(attributes["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hello there"}]}
    ]
    assert msgspec.json.decode(str(attributes["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}
    ]


@pytest.mark.usefixtures("answers")
async def test_a_listener_that_fails_ends_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        content = False

        def __call__(self, ended: measures.Answered) -> None:
            raise RuntimeError("the collector is gone")

    measures.here.listener = Broken()
    try:
        await ask()
    finally:
        measures.here.listener = None
    assert "the collector is gone" in caplog.text


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install maestro\[otel\]"):
        telemetry.install(content=False)
    assert measures.here.listener is None


def test_a_server_starts_without_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None; import django; django.setup(); "
        "import maestro_site.asgi, maestro_site.celery, maestro_site.monitoring.telemetry; print('started')"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "maestro_site.settings", "MAESTRO_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "started", done.stderr[-1000:]
    source = (ROOT / "maestro_site" / "monitoring" / "telemetry.py").read_text()
    assert not [line for line in source.splitlines() if line.startswith(("import opentel", "from opentel"))]


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("openai", "openai"),
        ("gemini", "gcp.gemini"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("azure_openai", "azure.ai.openai"),
        ("alias", "alias"),
    ],
)
def test_providers_are_called_as_the_conventions_call_them(slug: str, name: str) -> None:
    assert telemetry._name(slug) == name
