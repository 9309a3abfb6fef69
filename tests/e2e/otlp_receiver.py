"""A collector: takes OTLP/HTTP traces (protobuf) and writes each span as a line of JSON. Run it as a process.

    python -m tests.e2e.otlp_receiver FILE

It prints `Listening on PORT`. Beside each span stands what it was sent, in hex, so that a test can look for what must
not be in it. Format: OpenTelemetry Protocol 1.x, `ExportTraceServiceRequest`.
"""

from __future__ import annotations

import gzip
import http.server
import json
import sys
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def value_of(found) -> object:
    return getattr(found, found.WhichOneof("value"))


def attributes(found) -> dict[str, object]:
    return {each.key: value_of(each.value) for each in found}


def spans_of(raw: bytes) -> list[dict[str, object]]:
    request = ExportTraceServiceRequest.FromString(raw)
    return [
        {
            "name": span.name,
            "kind": span.kind,
            "trace": span.trace_id.hex(),
            "id": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "began": span.start_time_unix_nano,
            "ended": span.end_time_unix_nano,
            "status": span.status.code,
            "attributes": attributes(span.attributes),
            "resource": attributes(group.resource.attributes),
        }
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def main(file: Path) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            raw = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
            right = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
            if right:
                with file.open("a") as lines:
                    lines.write(json.dumps({"raw": raw.hex(), "spans": spans_of(raw)}) + "\n")
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if right else 400)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"Listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
