"""Writes GGUF files that hold only metadata: a vocabulary for `waferctl model tokenize` (format: ggml docs/gguf.md)."""

import struct

STRING, BOOL, FLOAT, UINT, INT = 8, 7, 6, 4, 5


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def scalar(kind, value):
    return text(value) if kind == STRING else struct.pack({BOOL: "<?", FLOAT: "<f", UINT: "<I", INT: "<i"}[kind], value)


def kind_of(value):
    return {str: STRING, bytes: STRING, bool: BOOL, float: FLOAT}.get(type(value), INT if value < 0 else UINT) \
        if not isinstance(value, (str, bytes)) else STRING


def entry(key, value):
    if isinstance(value, list):
        kind = INT if isinstance(value[0], int) and not isinstance(value[0], bool) else kind_of(value[0])
        return text(key) + struct.pack("<IIQ", 9, kind, len(value)) + b"".join(scalar(kind, each) for each in value)
    return text(key) + struct.pack("<I", kind_of(value)) + scalar(kind_of(value), value)


def write(path, metadata):
    entries = {"general.architecture": "llama", **metadata}
    body = b"".join(entry(key, value) for key, value in entries.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + body)
