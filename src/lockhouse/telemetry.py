"""OpenTelemetry traces: one span for each request, with the waits and runs of its commands and queries below it.

Only a server that was told where to send them loads this module, and with it the libraries of the extra `otel`. A span
says what was asked in the protocol's words, by what kind of principal, in which namespace, and what came of it. It
never has a key, a query, a body, a header, a lock's document, a name of a person or anything of a credential.

Names of attributes: OpenTelemetry semantic conventions for HTTP servers; what they do not have starts with
`lockhouse.`. The context of the caller comes in `traceparent` (W3C Trace Context), the rest of the configuration in the
standard `OTEL_…` variables (OpenTelemetry Environment Variable Specification), which the SDK reads itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping
from contextvars import ContextVar

import lockhouse
from lockhouse.errors import SettingInvalid
from lockhouse.protocols.web import Handler, Request, Response
from lockhouse.runtime.tracing import ENDPOINTS, Watched

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as missing:
    raise SettingInvalid(
        f"cannot send traces: {missing.name} is not installed",
        hint="pip install 'lockhouse[otel]', or unset otel_endpoint",
        setting="otel_endpoint",
    ) from None

LAST_SECONDS = 3.0
"""How long a server that ends waits for the collector to take its last spans."""
_PATH = "/v1/traces"
_PROBES = frozenset({b"/healthz", b"/readyz", b"/metrics"})
_CONTEXT = TraceContextTextMapPropagator()
_log = logging.getLogger("lockhouse.telemetry")


class Tracing:
    """Makes spans and sends them, from a thread of the SDK, in batches. A collector that is away costs nobody anything:
    what does not fit its queue is dropped."""

    def __init__(self, endpoint: str, environment: Mapping[str, str]) -> None:
        """`endpoint`: the base address of an OTLP/HTTP collector; empty: what the standard variables say."""
        resource = Resource.create({SERVICE_VERSION: lockhouse.__version__})
        if resource.attributes.get(SERVICE_NAME, "").startswith("unknown_service"):  # type: ignore[union-attr]
            resource = resource.merge(Resource({SERVICE_NAME: "lockhouse"}))
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH if endpoint else None)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("lockhouse", lockhouse.__version__)
        self._current: ContextVar[Span | None] = ContextVar("lockhouse-span", default=None)
        self.endpoint = endpoint or next((environment[each] for each in ENDPOINTS if environment.get(each)), "")

    def start(self) -> None:
        """As other work beside requests."""
        _log.info("Sending traces endpoint=%s", self.endpoint)

    async def stop(self) -> None:
        """Send what is left, unless the collector takes too long."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(done.set)

        # Not in the loop's own threads: those are waited for when the process ends.
        threading.Thread(target=end, name="lockhouse-traces", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), LAST_SECONDS)

    def around(self, handler: Handler) -> Handler:
        """The handler, each request of which has a span."""

        async def traced(request: Request) -> Response:
            if request.raw_path in _PROBES:
                return await handler(request)
            span = self._begin(request)
            if not span.is_recording():
                return await handler(request)
            token = self._current.set(span)
            try:
                response = await handler(request)
            except BaseException as failure:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(failure).__name__)
                raise
            else:
                _describe(span, request, response)
                return response
            finally:
                self._current.reset(token)
                span.end()

        return traced

    def watch(self, kind: str) -> Watched | None:
        """For the engine: a command or query is handed over. None where it is not of a request that is recorded."""
        span = self._current.get()
        return Watched(kind, lambda seen: self._told(span, seen)) if span is not None else None

    def _begin(self, request: Request) -> Span:
        carrier = {
            name: value for name in ("traceparent", "tracestate") if (value := request.headers.get(name)) is not None
        }
        return self._tracer.start_span(
            request.method, _CONTEXT.extract(carrier) if carrier else None, SpanKind.SERVER, record_exception=False
        )

    def _told(self, span: Span, seen: Watched) -> None:
        kind = seen.kind
        above = set_span_in_context(span)
        marks = [(f"{kind} wait", seen.handed, seen.began or seen.answered)]
        if seen.runs:
            marks.append((kind, seen.began, seen.ended))
            if kind == "transaction":
                marks.append(("commit", seen.ended, seen.answered))
        for name, began, ended in marks:
            child = self._tracer.start_span(name, above, SpanKind.INTERNAL, start_time=began)
            if name == kind and seen.runs > 1:
                child.set_attribute("lockhouse.runs", seen.runs)
            child.end(ended)


def _describe(span: Span, request: Request, response: Response) -> None:
    trail = request.trail
    route = trail.action or request.method
    span.update_name(f"{trail.protocol} {route}")
    span.set_attribute("http.request.method", request.method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", response.status)
    span.set_attribute("url.scheme", request.scheme)
    span.set_attribute("lockhouse.protocol", trail.protocol)
    span.set_attribute("lockhouse.request_id", request.request_id)
    if trail.who is not None and trail.who.kind:
        span.set_attribute("lockhouse.principal.kind", trail.who.kind)
    if trail.address is not None:
        span.set_attribute("lockhouse.namespace", trail.address.namespace)
    if trail.code:
        span.set_attribute("lockhouse.problem", trail.code)
    if response.status >= 500:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", trail.code or str(response.status))
