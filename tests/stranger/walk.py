"""The path of a stranger, timed: an empty Debian 12, clone, `make serve`, the page in a browser, a chat, a broken wafer, its recovery, load, a report.

    sudo python3 tests/stranger/walk.py --root /tmp/bookworm --out /tmp/walk [--package] [--ccache DIR]

Needs root, debootstrap, a mirror of Debian, a free port 8080, and for the page what page_browser_test.py needs (Chromium and Node of this machine;
WAFERLINE_PAGE_FOLDER has playwright-core). `--root` is made by debootstrap if it is not there, and kept. `--package` builds the .deb, installs it
and starts waferd as its service would. `--ccache DIR`: a compiler cache of this machine, so that the build's time is not a cold one.
OUT gets steps.json and the pictures, to be looked at. Mounts end with the process: it runs in a mount namespace of its own.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"
ENV = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}
READY_SECONDS = 3 * 3600


class Walk:
    def __init__(self, root, out):
        self.root, self.out, self.steps = root, out, []

    def took(self, what, begun):
        self.steps.append({"step": what, "seconds": round(time.monotonic() - begun, 1)})
        print(f"{self.steps[-1]['seconds']:8.1f} s  {what}", flush=True)

    def inside(self, command, **options):
        return subprocess.run(["chroot", self.root, "bash", "-ec", command], env=ENV, check=True, **options)

    def step(self, what, command):
        begun = time.monotonic()
        with open(self.out / "log", "ab") as log:
            self.inside(command, stdout=log, stderr=log)
        self.took(what, begun)

    def make_root(self):
        begun = time.monotonic()
        if not (self.root / "etc/debian_version").exists():
            subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", self.root, MIRROR], check=True, stdout=subprocess.DEVNULL)
            self.took("an empty Debian 12 (debootstrap)", begun)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")

    def mount(self, cache):
        for name, options in {"proc": ["-t", "proc", "proc"], "sys": ["--rbind", "/sys"], "dev": ["--rbind", "/dev"]}.items():
            subprocess.run(["mount", *options, self.root / name], check=True)
        binds = {"mnt/origin": SOURCE, **({"root/.cache/ccache": cache} if cache else {})}
        for name, source in binds.items():
            (self.root / name).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", source, self.root / name], check=True)

    def serve(self, command):
        """A server inside; returns it when its ready line is there."""
        begun = time.monotonic()
        path = self.out / "serve.log"
        with open(path, "wb") as log:
            server = subprocess.Popen(["chroot", self.root, "bash", "-ec", f"exec {command}"], env=ENV, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        while "is ready" not in path.read_text(errors="replace"):
            if server.poll() is not None or time.monotonic() - begun > READY_SECONDS:
                raise SystemExit(f"not ready: {path.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        self.took(f"{command.split(' --set')[0]}: until its ready line", begun)
        return server

    def end(self, server):
        begun = time.monotonic()
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
        while self.listens():  # make ends before the server has
            time.sleep(0.1)
        self.took("SIGTERM until the server has ended", begun)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", 8080)) == 0

    def visit(self):
        """In a browser: visit.mjs prints a JSON line for each step."""
        folder = os.environ["WAFERLINE_PAGE_FOLDER"]
        waferctl = f"chroot {self.root} /root/waferline/build/bin/waferctl"
        visit = subprocess.Popen(["node", SOURCE / "tests/stranger/visit.mjs", "http://127.0.0.1:8080", folder, self.out, waferctl], stdout=subprocess.PIPE, text=True)
        for line in visit.stdout:
            self.steps.append(json.loads(line))
            print(f"{self.steps[-1]['seconds']:8.1f} s  {self.steps[-1]['step']}", flush=True)
        if visit.wait() != 0:
            raise SystemExit("the visit failed")

    def package(self):
        self.step("make package", "cd /root/waferline && make package")
        self.step("apt-get install ./waferline.deb", "apt-get install -y -q /root/waferline/build/package/*.deb")
        unit = (self.root / "usr/lib/systemd/system/waferd.service").read_text()
        config = re.search(r"^Environment=WAFERD_CONFIG=(.*)$", unit, re.M)[1]
        check, start = (re.search(rf"^{name}=(.*)$", unit, re.M)[1].replace("${WAFERD_CONFIG}", config) for name in ("ExecStartPre", "ExecStart"))
        self.step(check, check)
        server = self.serve(start)
        self.step("waferctl complete, as installed", "waferctl complete 'Once upon a time' --max-tokens 16")
        self.step("man waferd is there", "test -s /usr/share/man/man8/waferd.8* && waferctl --version && waferd --version")
        self.end(server)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--package", action="store_true")
    parser.add_argument("--ccache", type=pathlib.Path)
    asked = parser.parse_args()
    if "WAFERLINE_WALK" not in os.environ:  # again, where its mounts are its own
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, *sys.argv], {**os.environ, "WAFERLINE_WALK": "1"})
    asked.out.mkdir(parents=True, exist_ok=True)
    walk = Walk(asked.root.resolve(), asked.out.resolve())
    walk.make_root()
    walk.mount(asked.ccache)
    walk.step("apt-get install git make", "apt-get update -q && apt-get install -y -q --no-install-recommends git make")
    walk.step("git clone", "rm -rf /root/waferline && git -c safe.directory='*' clone -q file:///mnt/origin /root/waferline")
    server = walk.serve("make -C /root/waferline serve")
    walk.visit()
    walk.end(server)
    if asked.package:
        walk.package()
    (asked.out / "steps.json").write_text(json.dumps(walk.steps, indent=1) + "\n")


if __name__ == "__main__":
    main()
