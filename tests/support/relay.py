"""A TCP relay whose network can be made bad while connections are open: bytes of one direction vanish, or trickle."""

import select
import socket
import threading
import time

LOGITS = 4  # link/frame_kind.h


class Relay:
    """Listens on `relay.address` and passes bytes to `target` ("HOST:PORT") and back. `bad` says what happens meanwhile:
    None, "lost there" (what clients send vanishes), "lost back" (what the target sends vanishes), "trickle" (a byte a second), "held back"
    (what a shard sends to a server waits, from a step's logits on; neighbours and prefill workers notice nothing).
    `on_frame`, if given, is called with the kind of each frame (wafer_backend/compute/link) that clients send, before it is passed."""

    def __init__(self, target):
        host, port = target.split(":")
        self.target = (host, int(port))
        self.bad = None
        self.on_frame = None
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.open = False
        self.listening.close()

    def _accept(self):
        while self.open:
            try:
                client, _ = self.listening.accept()
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                continue
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _pass(self, client, server):
        waits = {client: b"", server: b""}  # to be sent to it
        next_byte = 0
        frames, answers = FrameHeaders(), FrameHeaders()
        to_server = False  # logits go to one alone
        try:
            while self.open:
                ready, _, _ = select.select([client, server], [], [], 0.02)
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    for kind in frames.of(data) if one is client else ():
                        if self.on_frame:
                            self.on_frame(kind)
                    to_server |= one is server and LOGITS in answers.of(data)
                    lost = "lost there" if one is client else "lost back"
                    if self.bad != lost:
                        waits[server if one is client else client] += data
                if self.bad == "trickle" and time.monotonic() < next_byte:
                    continue
                next_byte = time.monotonic() + 1
                for one, data in waits.items():
                    if self.bad == "held back" and one is client and to_server:
                        continue
                    sent = data[:1] if self.bad == "trickle" else data
                    one.sendall(sent)
                    waits[one] = data[len(sent):]
        except OSError:
            pass
        finally:
            client.close()
            server.close()


class FrameHeaders:
    """The kinds of the frames whose headers end in the bytes so far: u32 length of what follows, u8 version, u8 kind, u16 zero."""

    def __init__(self):
        self.header = b""
        self.skip = 0

    def of(self, data):
        kinds = []
        while data:
            passed = min(self.skip, len(data))
            self.skip -= passed
            data = data[passed:]
            taken = data[:8 - len(self.header)]
            self.header += taken
            data = data[len(taken):]
            if len(self.header) == 8:
                kinds.append(self.header[5])
                self.skip = int.from_bytes(self.header[:4], "little") - 4
                self.header = b""
        return kinds
