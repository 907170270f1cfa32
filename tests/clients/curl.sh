#!/usr/bin/env bash
# What a new user types, checked with jq.
set -euo pipefail
url=$WAFERLINE_URL
model=$WAFERLINE_MODEL
ask() { curl -sS --max-time 60 "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

ask "$url/v1/models" | jq -e --arg m "$model" '.data | map(.id) | index($m) != null' >/dev/null || fail models
ask "$url/health" | jq -e '.status == "ok"' >/dev/null || fail health
ask "$url/ready" | jq -e '.status == "ready"' >/dev/null || fail ready

answer=$(ask "$url/v1/chat/completions" -d '{"model":"'"$model"'","messages":[{"role":"user","content":"Hello!"}],"max_tokens":20}')
jq -e '.choices[0].message.content | length > 0' <<<"$answer" >/dev/null || fail "chat: $answer"
jq -e '.waferline.time == "emulated" and .time_info.total_time > 0' <<<"$answer" >/dev/null || fail "times: $answer"

stream=$(ask -N "$url/v1/completions" -d '{"model":"'"$model"'","prompt":"Once","max_tokens":5,"stream":true}')
[ "$(grep -v '^$' <<<"$stream" | tail -n 1)" = 'data: [DONE]' ] || fail "stream: $stream"
grep '^data: {' <<<"$stream" | sed 's/^data: //' | jq -se 'map(.choices[0].finish_reason) | last != null' >/dev/null || fail "reason: $stream"

ids=$(ask "$url/tokenize" -d '{"model":"'"$model"'","prompt":"The baker","add_special_tokens":false}' | jq -c .tokens)
text=$(ask "$url/detokenize" -d '{"model":"'"$model"'","tokens":'"$ids"'}' | jq -r .prompt)
[ "${text# }" = "The baker" ] || fail "detokenize: $ids is '$text'"

code() { ask -o /dev/null -w '%{http_code}' "$@"; }
[ "$(code "$url/nowhere")" = 404 ] || fail 404
[ "$(code "$url/v1/chat/completions")" = 405 ] || fail 405
[ "$(code "$url/v1/chat/completions" -d '{"model":')" = 400 ] || fail "400 for broken JSON"
[ "$(code "$url/v1/completions" -d '{"model":"nope","prompt":"a"}')" = 404 ] || fail "404 for a model"
head -c 5000000 /dev/zero | tr '\0' ' ' >"${TMPDIR:-/tmp}/waferline-large.$$"
[ "$(code "$url/v1/completions" --data-binary "@${TMPDIR:-/tmp}/waferline-large.$$")" = 413 ] || fail 413
rm -f "${TMPDIR:-/tmp}/waferline-large.$$"
[ "$(code -I "$url/v1/models")" = 200 ] || fail HEAD
ask -D - -o /dev/null -H 'x-request-id: mine-1' "$url/live" | grep -qi '^x-request-id: mine-1' || fail x-request-id
[ "$(ask "$url/" | grep -c '<title>Waferline</title>')" = 1 ] || fail page
echo "all as expected"
