"""Other projects' routers in front of waferd, as their own packages start them. Each is a context that gives its door's address; where a
package cannot be had the test is skipped with the reason. To be installed before the network is taken away (LoopbackOnly).

    with dynamo(folder, "vllm", [server]) as url: ...              # aggregated
    with smg(folder, [prefill], decode=[decode]) as url: ...      # prefill and decode apart
"""

import contextlib
import json

from etcd import free_port
from programs import Program, installed, wait_for

DYNAMO = ["ai-dynamo==1.6.1", "ai-dynamo-runtime==1.6.1"]  # one of their dependencies is not on PyPI
DYNAMO_NEEDS = ["aiohttp>=3.14.3", "msgspec", "pyzmq", "kubernetes<33", "prometheus-client<1", "redis<9", "transformers", "zstandard", "uvloop", "tqdm"]

SIDECARS = 20000  # the port of the first one's metrics: read as 16 bits with a sign; this network has nothing else


def dynamo_program():
    return installed("dynamo", *DYNAMO_NEEDS, without_dependencies=DYNAMO) / "bin/python"


def smg_program():
    return installed("smg", "smg==1.13.0") / "bin/smg"


def vllm_router_program():
    return installed("vllm-router", "vllm-router==0.1.17") / "bin/vllm-router"


def sidecar_url(number):
    """Where the metrics of this server's sidecar are."""
    return f"http://127.0.0.1:{SIDECARS + number}"


@contextlib.contextmanager
def dynamo(folder, protocol, servers, decode=(), hf=None):
    """Dynamo's frontend, and a sidecar for each server: of vLLM ("vllm") or of OpenEngine ("openengine")."""
    python, door = dynamo_program(), free_port()
    (folder / "discovery").mkdir()
    env = {"DYN_DISCOVERY_BACKEND": "file", "DYN_FILE_KV": str(folder / "discovery"), "HF_HUB_OFFLINE": "1"}
    frontend = [python, "-m", "dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", door, "--router-mode", "kv", "--kv-cache-block-size", "64"]
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(Program(frontend, folder / "frontend.log", env))]
        roles = [("prefill" if decode else "agg", server) for server in servers] + [("decode", server) for server in decode]
        for number, (role, server) in enumerate(roles):
            sidecar = [python, "-m", "dynamo.vllm.sidecar" if protocol == "vllm" else "dynamo.trtllm.sidecar", "--grpc-endpoint", server.grpc,
                       "--disaggregation-mode", role, *([] if protocol == "vllm" else ["--model-path", hf])]
            own = {**env, "DYN_SYSTEM_PORT": str(SIDECARS + number)}
            programs.append(stack.enter_context(Program(sidecar, folder / f"sidecar-{number}.log", own)))
        url = f"http://127.0.0.1:{door}"
        wait_for(url + "/v1/models", *programs, until=lambda text: json.loads(text)["data"])
        yield url


@contextlib.contextmanager
def smg(folder, servers, decode=(), hf=None):
    program, door = smg_program(), free_port()
    command = [program, "launch", "--host", "127.0.0.1", "--port", door, "--prometheus-host", "127.0.0.1", "--prometheus-port", free_port(),
               "--tokenizer-path", hf, "--model-path", hf]
    if decode:
        command += ["--pd-disaggregation"]
        for server in servers:
            command += ["--prefill", f"grpc://{server.grpc}"]
        for server in decode:
            command += ["--decode", f"grpc://{server.grpc}"]
    else:
        command += ["--worker-urls", *[f"grpc://{server.grpc}" for server in servers]]
    with Program(command, folder / "smg.log") as router:
        url = f"http://127.0.0.1:{door}"
        wait_for(url + "/readiness", router)
        wait_for(url + "/v1/models", router, until=lambda text: json.loads(text)["data"])
        yield url


@contextlib.contextmanager
def vllm_router(folder, servers, decode=(), hf=None):
    program, door = vllm_router_program(), free_port()
    command = [program, "--host", "127.0.0.1", "--port", door, "--prometheus-host", "127.0.0.1", "--prometheus-port", free_port()]
    if decode:
        command += ["--vllm-pd-disaggregation"]
        for server in servers:
            command += ["--prefill", server.http]
        for server in decode:
            command += ["--decode", server.http]
    else:
        command += ["--worker-urls", *[server.http for server in servers]]
    with Program(command, folder / "vllm-router.log") as router:
        url = f"http://127.0.0.1:{door}"
        wait_for(url + "/health", router)
        yield url
