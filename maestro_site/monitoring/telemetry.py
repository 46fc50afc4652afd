"""OpenTelemetry by the conventions for generative AI, 0.1.0: a span and three metrics for each request to a model.

Off unless ``MAESTRO_MONITORING__OTEL`` is set, and only then loaded (``pip install maestro[otel]``). Where it is
exported to is said by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT`` ...). Providers of traces and
metrics that the process has already, from ``opentelemetry-instrument``, are used as they are.
"""

import time
from typing import Any

import msgspec
from django.core.exceptions import ImproperlyConfigured

from providers_app import measures
from providers_app.errors import ProviderError
from providers_app.measures import Answered
from providers_app.registry.discovery import registry
from providers_app.types.chat import ChatRequest, Message
from providers_app.types.events import StreamEnd, StreamFailed, TextDelta

SECONDS = tuple(0.01 * 2**n for n in range(14))
"""Buckets of durations that the conventions ask for: 0.01 to 81.92 s."""
TOKENS = tuple(4**n for n in range(14))
LONGEST = 32_000
"""Characters of a text that is recorded, where content is."""


class Telemetry:
    """Turns requests that ended into spans and metrics. ``content``: messages and answers are recorded too."""

    def __init__(self, tracer: Any, meter: Any, *, content: bool = False) -> None:
        self.content = content
        self._tracer = tracer

        def histogram(name: str, unit: str, buckets: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit=unit, explicit_bucket_boundaries_advisory=buckets)

        self._tokens = histogram("gen_ai.client.token.usage", "{token}", TOKENS)
        self._duration = histogram("gen_ai.client.operation.duration", "s", SECONDS)
        self._first = histogram("gen_ai.client.operation.time_to_first_chunk", "s", SECONDS)

    def __call__(self, ended: Answered) -> None:
        """Record a request that ended just now."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        now = time.time_ns()
        shared = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _name(ended.provider),
            "gen_ai.request.model": ended.chat.model,
        }
        response = {"gen_ai.response.model": ended.model or None}
        failed = {"error.type": ended.error or None}
        found = shared | _request(ended.chat) | response | failed | _response(ended) | _usage(ended)
        if self.content:
            found |= _content(ended)
        span = self._tracer.start_span(
            f"chat {ended.chat.model}",
            kind=SpanKind.CLIENT,
            start_time=now - int(ended.whole_s * 1e9),
            attributes=_known(found),
        )
        if ended.error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=now)
        labels = _known(shared | response)
        self._duration.record(ended.whole_s, _known(shared | response | failed))
        if ended.first_s is not None:
            self._first.record(ended.first_s, labels)
        if ended.usage is not None:
            for kind in ("input", "output"):
                if (count := getattr(ended.usage, f"{kind}_tokens")) is not None:
                    self._tokens.record(count, {**labels, "gen_ai.token.type": kind})


def install(*, content: bool) -> None:
    """Record every request of this process from now on. Raises ``ImproperlyConfigured`` where a package is missing."""
    try:
        from opentelemetry import metrics, trace

        _provide(trace, metrics)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"MAESTRO_MONITORING__OTEL needs OpenTelemetry ({error.name}): pip install maestro[otel]."
        ) from None
    measures.here.listener = Telemetry(trace.get_tracer("maestro"), metrics.get_meter("maestro"), content=content)


def flush() -> None:
    """Export what is held back; for a process that ends without leaving its interpreter. May take a few seconds."""
    if isinstance(measures.here.listener, Telemetry):
        from opentelemetry import metrics, trace

        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
            if (force := getattr(provider, "force_flush", None)) is not None:
                force(2000)


def _provide(trace: Any, metrics: Any) -> None:
    """Give the process providers that export by OTLP over HTTP, where it has none."""
    if hasattr(trace.get_tracer_provider(), "add_span_processor"):
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "maestro"})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))


def _name(slug: str) -> str:
    """Return what the conventions call a provider, else its slug."""
    try:
        return registry.card(slug).telemetry_name or slug
    except ProviderError:  # the routes of an alias, none of which answered
        return slug


def _request(chat: ChatRequest) -> dict[str, Any]:
    params = chat.params
    return {
        "gen_ai.request.stream": chat.stream,
        "gen_ai.request.max_tokens": params.max_output_tokens,
        "gen_ai.request.temperature": params.temperature,
        "gen_ai.request.top_p": params.top_p,
        "gen_ai.request.top_k": params.extra.get("top_k"),
        "gen_ai.request.seed": params.seed,
        "gen_ai.request.stop_sequences": list(params.stop) or None,
        "gen_ai.conversation.id": chat.context_id,
    }


def _response(ended: Answered) -> dict[str, Any]:
    end = ended.end
    reason = end.finish_reason if isinstance(end, StreamEnd | StreamFailed) else None
    return {
        "gen_ai.response.id": ended.response_id or None,
        "gen_ai.response.finish_reasons": [reason] if reason else None,
        "gen_ai.response.time_to_first_chunk": ended.first_s,
    }


def _usage(ended: Answered) -> dict[str, Any]:
    usage = ended.usage
    if usage is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }


def _content(ended: Answered) -> dict[str, Any]:
    """Return messages and answer as text; files are left out."""
    messages = [
        {"role": message.role, "parts": [{"type": "text", "content": text} for text in _texts(message)]}
        for message in ended.chat.messages
    ]
    answer = "".join(event.text for event in ended.heard if isinstance(event, TextDelta))
    out = [{"role": "assistant", "parts": [{"type": "text", "content": answer[:LONGEST]}]}]
    return {
        "gen_ai.input.messages": msgspec.json.encode(messages).decode()[:LONGEST],
        "gen_ai.output.messages": msgspec.json.encode(out).decode(),
    }


def _texts(message: Message) -> list[str]:
    return [text for part in message.parts if isinstance(text := getattr(part, "text", None), str)]


def _known(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}
