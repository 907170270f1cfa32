"""A collector for tests, of OpenTelemetry's own protocol package: prints its port, then each span as a line of JSON.

    python otlp_receiver.py [SECONDS_TO_WAIT_BEFORE_EACH_ANSWER]
"""

import concurrent.futures
import json
import sys
import time

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

SLOW = float(sys.argv[1]) if len(sys.argv) > 1 else 0


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        time.sleep(SLOW)
        for of_resource in request.resource_spans:
            resource = {a.key: a.value.string_value for a in of_resource.resource.attributes}
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    attributes = {a.key: list(MessageToDict(a.value).values())[0] if a.value.WhichOneof("value") else None
                                  for a in span.attributes}
                    line = {"resource": resource, "scope": of_scope.scope.name, "name": span.name, "kind": span.kind,
                            "trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                            "state": span.trace_state, "begin": span.start_time_unix_nano, "end": span.end_time_unix_nano,
                            "attributes": attributes, "code": span.status.code, "message": span.status.message}
                    print(json.dumps(line), flush=True)
        return trace_service_pb2.ExportTraceServiceResponse()


server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
