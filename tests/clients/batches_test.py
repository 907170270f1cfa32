"""PyPI's `openai` on /v1/files and /v1/batches of a running waferd."""

import io
import json
import os
import time

import openai
import pytest

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
CHAT = "/v1/chat/completions"


@pytest.fixture
def client():
    return openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)


def jsonl(count):
    rows = [{"custom_id": f"task-{i}", "method": "POST", "url": CHAT,
             "body": {"model": MODEL, "messages": [{"role": "user", "content": "Who bakes the bread?"}], "max_tokens": 12, "seed": i}}
            for i in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def ended(client, batch):
    deadline = time.monotonic() + 60
    while batch.status in ("validating", "in_progress", "finalizing", "cancelling"):
        assert time.monotonic() < deadline, batch
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    return batch


def test_a_batch_from_file_to_file(client, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(jsonl(5))
    file = client.files.create(file=open(tmp_path / "in.jsonl", "rb"), purpose="batch")
    assert file.filename == "in.jsonl" and file.bytes == len(jsonl(5)) and file.purpose == "batch"
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"for": "test"})
    assert batch.status == "validating" and batch.metadata == {"for": "test"}
    batch = ended(client, batch)
    assert batch.status == "completed" and batch.error_file_id is None and batch.errors is None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (5, 5, 0)
    rows = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    for i, row in enumerate(rows):
        answer = openai.types.chat.ChatCompletion.model_validate(row["response"]["body"])
        assert row["custom_id"] == f"task-{i}" and answer.choices[0].message.content and answer.usage.completion_tokens <= 12
    assert batch.id in [one.id for one in client.batches.list(limit=1)]
    listed = {one.id: one for one in client.files.list()}
    assert listed[batch.output_file_id].purpose == "batch_output"
    assert client.files.retrieve(file.id) == file
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_batch_is_cancelled(client):
    file = client.files.create(file=("many.jsonl", io.BytesIO(jsonl(2000))), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    batch = ended(client, batch)
    assert batch.status == "cancelled" and batch.request_counts.completed < 2000


def test_embeddings_in_a_batch_are_those_alone(client):
    texts = ["The baker lives in Larkhaven.", "Who bakes the bread?"]
    alone = client.embeddings.create(model=MODEL, input=texts)
    assert [entry.index for entry in alone.data] == [0, 1] and abs(sum(x * x for x in alone.data[0].embedding) - 1) < 1e-4
    assert alone.usage.prompt_tokens == alone.usage.total_tokens > 2
    rows = [{"custom_id": text, "method": "POST", "url": "/v1/embeddings", "body": {"model": MODEL, "input": text}} for text in texts]
    file = client.files.create(file=("in.jsonl", "\n".join(map(json.dumps, rows)).encode()), purpose="batch")
    batch = ended(client, client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"))
    found = [json.loads(line)["response"]["body"] for line in client.files.content(batch.output_file_id).text.splitlines()]
    for one, entry in zip(found, alone.data):
        assert max(abs(a - b) for a, b in zip(one["data"][0]["embedding"], entry.embedding)) < 1e-6
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="llama-3.1-8b", input="x")


def test_wrong_lines_are_named(client):
    file = client.files.create(file=("bad.jsonl", jsonl(1) + b"{oops\n"), purpose="batch")
    batch = ended(client, client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h"))
    assert batch.request_counts.failed == 1 and batch.errors.data[0].line == 2
    [row] = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
    assert row["error"]["message"].startswith("line 2:")
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
