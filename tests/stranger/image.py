"""The container image without an engine or a registry: buildah runs deploy/image/Containerfile to its end on a base that debootstrap made, then what
the image would start is started, as its user, and asked over loopback.

    sudo python3 tests/stranger/image.py --root /tmp/bookworm --out /tmp/image [--build-root DIR] [--ccache DIR]

Needs root, debootstrap, buildah, a mirror of Debian. `--root` is a Debian 12, made if it is not there, and kept. `--build-root DIR`: another one to
build in, which may have the packages already. `--ccache DIR`: a compiler cache of this machine. OUT gets the log, and steps.json.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"
IMAGE = "localhost/waferline-stranger"
READY_SECONDS = 120


class Image:
    def __init__(self, out):
        self.out, self.steps = out, []

    def step(self, what, work):
        begun = time.monotonic()
        result = work()
        self.steps.append({"step": what, "seconds": round(time.monotonic() - begun, 1)})
        print(f"{self.steps[-1]['seconds']:8.1f} s  {what}", flush=True)
        return result

    def buildah(self, *words):
        """What it prints on stdout; the rest goes to the log."""
        with open(self.out / "log", "ab") as log:
            return subprocess.run(["buildah", *words], check=True, stdout=subprocess.PIPE, stderr=log, text=True, cwd=SOURCE).stdout.strip()

    def base(self, root, name):
        """An image with the files of `root`."""
        container = self.buildah("from", "scratch")
        folder = self.buildah("mount", container)
        subprocess.run(f"tar --one-file-system -C '{root}' -c . | tar -C '{folder}' -x", shell=True, check=True)
        self.buildah("umount", container)
        self.buildah("commit", "-q", "--rm", container, name)
        return name

    def build(self, build_base, base, ccache):
        volume = ["--volume", f"{ccache}:/root/.cache/ccache"] if ccache else []
        text = self.buildah("bud", "--isolation", "chroot", "--pull-never", "--build-arg", f"BUILD_BASE={build_base}", "--build-arg", f"BASE={base}", *volume,
                            "-f", "deploy/image/Containerfile", "-t", IMAGE, ".")
        (self.out / "build.log").write_text(text)

    def serve(self):
        """Entry point and command of the image, on free ports; a completion, the metrics, SIGTERM."""
        config = json.loads(self.buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        http, grpc = free_port(), free_port()
        container = self.buildah("from", "--pull-never", IMAGE)
        words = [*config["Entrypoint"], *config["Cmd"], "--http-port", str(http), "--grpc-port", str(grpc)]
        with open(self.out / "serve.log", "wb") as log:
            server = subprocess.Popen(["buildah", "run", "--isolation", "chroot", container, "--", *words], stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self.step("the image's entry point: until /ready", lambda: self.until_ready(http))
            body = json.dumps({"model": "waferline-demo", "prompt": "The baker", "max_tokens": 8}).encode()
            asked = urllib.request.Request(f"http://127.0.0.1:{http}/v1/completions", body, {"content-type": "application/json"})
            answer = json.load(self.step("a completion", lambda: urllib.request.urlopen(asked, timeout=60)))
            assert answer["usage"]["completion_tokens"] == 8, answer
            assert b"waferline_" in urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=60).read()
            owners = {os.stat(f"/proc/{pid}").st_uid for pid in waferds(str(http))}
            assert owners == {int(config["User"].split(":")[0])}, owners
        finally:
            for pid in waferds(str(http)):
                os.kill(pid, signal.SIGTERM)
            ended = self.step("SIGTERM until it has ended", lambda: server.wait(60))
        assert ended == 0, (self.out / "serve.log").read_text(errors="replace")[-2000:]
        self.buildah("rm", container)

    def until_ready(self, port):
        ended = time.monotonic() + READY_SECONDS
        while True:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10).read()
            except OSError:
                if time.monotonic() > ended:
                    raise
                time.sleep(0.2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def waferds(port):
    """Processes of waferd itself that were started with this port."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"waferd") and port.encode() in words:
            found.append(int(path.parent.name))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--build-root", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--ccache", type=pathlib.Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    image = Image(asked.out.resolve())
    if not (asked.root / "etc/debian_version").exists():
        image.step("a Debian 12 (debootstrap)", lambda: subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", asked.root, MIRROR], check=True, stdout=subprocess.DEVNULL))
    base = image.step("a base image of it", lambda: image.base(asked.root, "localhost/waferline-base"))
    build_base = image.base(asked.build_root, "localhost/waferline-build-base") if asked.build_root else base
    image.step("the Containerfile, to its end", lambda: image.build(build_base, base, asked.ccache))
    image.serve()
    (asked.out / "steps.json").write_text(json.dumps(image.steps, indent=1) + "\n")


if __name__ == "__main__":
    main()
