"""Files and batches of a waferd, as a client of OpenAI's API asks for them."""

import json
import urllib.error
import urllib.request
import uuid


def call(server, method, path, body=None, key=None, content_type="application/json", raw=False):
    headers = {"content-type": content_type} | ({"authorization": "Bearer " + key} if key else {})
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    try:
        with urllib.request.urlopen(urllib.request.Request(server.http + path, data, headers, method=method), timeout=60) as reply:
            text = reply.read()
            return reply.status, text if raw else json.loads(text)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def upload(server, text, purpose="batch", key=None, fields=()):
    mark = uuid.uuid4().hex
    form = "".join(f'--{mark}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in [("purpose", purpose), *fields])
    form = form.encode() + (f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
                            "Content-Type: application/jsonl\r\n\r\n").encode()
    form += text if isinstance(text, bytes) else text.encode()
    return call(server, "POST", "/v1/files", form + f"\r\n--{mark}--\r\n".encode(), key, f"multipart/form-data; boundary={mark}")


def ended(batch):
    return batch["status"] in ("completed", "failed", "expired", "cancelled")


def rows(server, file_id, key=None):
    if file_id is None:
        return []
    code, text = call(server, "GET", f"/v1/files/{file_id}/content", key=key, raw=True)
    assert code == 200
    return [json.loads(line) for line in text.decode().splitlines()]
