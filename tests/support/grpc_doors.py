"""The gRPC doors of waferd in Python, from the project's own protocol files. Needs grpcio and protobuf: those of Python's path, else
PyPI's, else the test is skipped.

    doors = GrpcDoors(folder, server.grpc)
    doors.stream("vllm.Inference/GenerateStream", request, vllm.GenerateResponse)
"""

import importlib
import subprocess
import sys

import pytest

from cloud import ROOT
from programs import installed, packages_of

PROTOS = ["google/rpc/status.proto", "waferline/v1/inference.proto", "waferline/v1/billing.proto", "vllm/inference.proto",
          "vllm/control.proto", "openengine/v1/generation.proto", "openengine/v1/control.proto", "smg/vllm_engine.proto"]


def load(folder):
    """Puts grpc and our messages on Python's path."""
    try:
        importlib.import_module("grpc")
        importlib.import_module("google.protobuf")
    except ImportError:
        sys.path.insert(0, str(packages_of(installed("grpc", "grpcio", "protobuf<5"))))
    messages = folder / "messages"
    messages.mkdir(exist_ok=True)
    subprocess.run(["protoc", "-I", ROOT / "proto", f"--python_out={messages}", *PROTOS], check=True)
    sys.path.insert(0, str(messages))
    importlib.invalidate_caches()
    import google
    if hasattr(google, "__path__") and str(messages / "google") not in google.__path__:
        google.__path__.append(str(messages / "google"))


class GrpcDoors:
    def __init__(self, address):
        self.grpc = importlib.import_module("grpc")
        self.channel = self.grpc.insecure_channel(address)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.channel.close()

    def stream(self, method, request, answer, **more):
        call = self.channel.unary_stream("/" + method, type(request).SerializeToString, answer.FromString)
        return call(request, **{"timeout": 60, **more})

    def ask(self, method, request, answer, **more):
        call = self.channel.unary_unary("/" + method, type(request).SerializeToString, answer.FromString)
        return call(request, timeout=60, **more)

    def health(self, service):
        """grpc.health.v1's status of a service: 1 is SERVING. The messages are a text at field 1, and a number at field 1."""
        name = service.encode()
        call = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        return call(b"\x0a" + bytes([len(name)]) + name, timeout=20)[1]

    def refusal(self, method, request, answer, **more):
        """(code, text) of a call that must fail."""
        with pytest.raises(self.grpc.RpcError) as error:
            self.ask(method, request, answer, **more)
        return error.value.code().name, error.value.details()
