"""A request that is exported to a collector: a real process, a real HTTP server, OpenTelemetry's own messages."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.processes import manage

QUESTION = "Where is the quixotic clockmaker"


class Collector(BaseHTTPRequestHandler):
    """Keeps the bodies that it is sent, by path."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.received.append((self.path, gzip.decompress(body) if packed else body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The address of a collector, and what it received."""
    received: list[tuple[str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Collector,), {"received": received}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


def plain(attributes: Any) -> dict[str, Any]:
    """Return the attributes of a message as a dictionary."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def ask(data: Path, url: str, **more: str) -> str:
    """Ask the demo once in a process of its own, and return the answer."""
    given = {"MAESTRO_MONITORING__OTEL": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": url, **more}
    done = manage(data, "chat", "try_demo", QUESTION, "--model", "demo-instant-n5", **given)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


def test_the_span_and_the_metrics_of_a_chat_arrive_without_its_content(
    demo_data: Path, collector: tuple[str, list[tuple[str, bytes]]]
) -> None:
    url, received = collector
    answer = ask(demo_data, url)
    assert {path for path, _ in received} == {"/v1/traces", "/v1/metrics"}
    (sent,) = (ExportTraceServiceRequest.FromString(body) for path, body in received if path == "/v1/traces")
    (resource,) = sent.resource_spans
    assert plain(resource.resource.attributes)["service.name"] == "maestro"
    (span,) = resource.scope_spans[0].spans
    assert span.name == "chat demo-instant-n5" and span.end_time_unix_nano >= span.start_time_unix_nano > 0
    found = plain(span.attributes)
    assert {
        name: found[name] for name in ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
    } == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "demo", "gen_ai.request.model": "demo-instant-n5"}
    assert found["gen_ai.request.stream"] is True and found["gen_ai.usage.output_tokens"] > 0
    assert [value.string_value for value in found["gen_ai.response.finish_reasons"].values] == ["stop"]
    assert not {name for name in found if name.endswith(".messages")}
    for _, body in received:
        assert b"quixotic" not in body and answer.encode() not in body and b"clockmaker" not in body
    metrics = [ExportMetricsServiceRequest.FromString(body) for path, body in received if path == "/v1/metrics"]
    names = {one.name for part in metrics[-1].resource_metrics for scope in part.scope_metrics for one in scope.metrics}
    assert names >= {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"}


def test_content_arrives_where_it_is_asked_for(demo_data: Path, collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    url, received = collector
    ask(demo_data, url, MAESTRO_MONITORING__OTEL_CONTENT="true")
    assert QUESTION.encode() in next(body for path, body in received if path == "/v1/traces")
