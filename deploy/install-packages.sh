#!/usr/bin/env bash
# Installs what Waferline builds with and runs on: Debian 12's packages only. With "test" as argument also what the
# tests use (a real Prometheus, clients of other languages, the fuzzer). Does nothing when all is there.
set -euo pipefail

build=(build-essential cmake ninja-build ccache mold pkg-config
       libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev
       libboost1.81-dev libboost-url1.81-dev libboost-json1.81-dev prometheus-cpp-dev libhwy-dev
       libpcre2-dev libyaml-cpp-dev libcli11-dev libeigen3-dev libfmt-dev libssl-dev
       libutf8proc-dev zlib1g-dev libsqlite3-dev libpq-dev libzmq3-dev libedit-dev
       file)  # for cpack, which asks it which libraries a program needs
test=(catch2 clang clang-format g++-aarch64-linux-gnu libclang-rt-14-dev prometheus python3 python3-jinja2 python3-jsonschema python3-pytest python3-yaml python3-zmq python3-msgpack
      postgresql etcd-server etcd-client python3-venv qemu-user curl jq parallel iproute2)

wanted=("${build[@]}")
if [ "${1:-}" = test ]; then
  wanted+=("${test[@]}")
  # Node.js from Debian, unless the machine has one of its own.
  command -v npm >/dev/null || wanted+=(nodejs npm)
fi

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-packages: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "installing from Debian: ${missing[*]}"
"${sudo[@]}" apt-get update -q
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
