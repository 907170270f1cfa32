"""One request through each door of waferd, in HTTP's names of fields, and what the door said in one form.

    door = DOORS["openengine.v1"](server, messages)
    door.whole(prompt, fields)        # Seen: ids, text, ends
    call = door.start(prompt, fields) # a stream that is not read
    call.cancel()                     # its client goes away
"""

import http.client
import importlib
import json

from cloud import ROOT, Waferd, post, stream
from grpc_doors import GrpcDoors, load

MODEL = "demo"
HTTP_REASON = {"stop": "STOP", "length": "LENGTH", "stop_sequence": "STOP", "end_turn": "STOP", "max_tokens": "LENGTH"}


def waferd_with_all_doors(folder, clock, more="", link=""):
    """The demo model over every protocol, on this clock; `more` fields of the server, the model's `link`."""
    return Waferd.of(folder, f"""
clock: {{kind: {clock}}}
{more}
engine_api: {{vllm: true, openengine: true, smg: true, model_source: {ROOT}/deploy/models}}
models:
  - name: {MODEL}
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 8}}]
    {link}
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf}}
""")


def load_messages(folder):
    """All protocols' messages, generated into the folder."""
    load(folder)
    names = {"v1": "waferline.v1.inference_pb2", "vllm": "vllm.inference_pb2", "control": "vllm.control_pb2",
             "openengine": "openengine.v1.generation_pb2", "openengine_control": "openengine.v1.control_pb2", "smg": "smg.vllm_engine_pb2"}
    return {short: importlib.import_module(name) for short, name in names.items()}


class Seen:
    """What a door said: the tokens (none where it shows none), the text, the reasons of all ends, what came after an end."""

    def __init__(self):
        self.ids, self.text, self.ends, self.after_end = [], "", [], 0
        self.handed_over = None

    def piece(self, ids, text, end=None):
        self.after_end += bool(self.ends)
        self.ids += ids
        self.text += text
        if end:
            self.ends.append(end)

    def facts(self):
        return {"ids": self.ids, "text": self.text, "ends": self.ends, "after the end": self.after_end}


class HttpCall:
    def __init__(self, url, path, body):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        self.connection.request("POST", path, json.dumps({**body, "stream": True}), {"content-type": "application/json"})

    def read_one(self):
        """Waits for the first event that has data."""
        self.reply = self.connection.getresponse()
        assert self.reply.status == 200, self.reply.read()
        while not self.reply.readline().startswith(b"data: "):
            pass

    def cancel(self):
        if hasattr(self, "reply"):
            self.reply.close()
        self.connection.close()


class HttpDoor:
    """A prompt of token ids to /v1/completions."""

    def __init__(self, url, model=MODEL):
        self.url, self.model = getattr(url, "http", url), model

    def body(self, prompt, fields):
        return {"model": self.model, "prompt": prompt, "return_token_ids": True, **fields}

    def whole(self, prompt, fields):
        seen = Seen()
        for _, event in stream(self.url, "/v1/completions", self.body(prompt, fields)):
            for choice in event["choices"]:
                reason = choice.get("finish_reason")
                seen.piece(choice.get("token_ids") or [], choice["text"], reason and HTTP_REASON[reason])
        return seen

    def once(self, prompt, fields, **more):
        answer = post(self.url, "/v1/completions", {**self.body(prompt, fields), **more})
        seen = Seen()
        choice = answer["choices"][0]
        seen.piece(choice.get("token_ids") or [], choice["text"], HTTP_REASON[choice["finish_reason"]])
        seen.handed_over = answer.get("kv_transfer_params")
        seen.answer = answer
        return seen

    def start(self, prompt, fields):
        return HttpCall(self.url, "/v1/completions", self.body(prompt, fields))


class GrpcCall:
    def __init__(self, doors, call):
        self.doors, self.call = doors, call

    def read_one(self):
        next(self.call)

    def cancel(self):
        self.call.cancel()
        self.doors.channel.close()


class GrpcDoor:
    method = answer = None

    def __init__(self, server, messages):
        self.address, self.messages = getattr(server, "grpc", server), messages

    def start(self, prompt, fields):
        doors = GrpcDoors(self.address)
        # On a slow clock a call's deadline is near in emulated time.
        return GrpcCall(doors, doors.stream(self.method, self.request(prompt, fields), self.answer, timeout=600))

    def whole(self, prompt, fields):
        with GrpcDoors(self.address) as doors:
            return self.read(doors.stream(self.method, self.request(prompt, fields), self.answer))


class OwnDoor(GrpcDoor):
    method = "waferline.v1.InferenceService/Generate"

    @property
    def answer(self):
        return self.messages["v1"].GenerateResponse

    def request(self, prompt, fields):
        v1 = self.messages["v1"]
        request = v1.GenerateRequest(model=MODEL, token_ids=v1.TokenIds(ids=prompt))
        for name in ("temperature", "seed", "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"):
            if name in fields:
                setattr(request.sampling, name, fields[name])
        request.stop.max_tokens = fields["max_tokens"]
        request.stop.min_tokens = fields.get("min_tokens", 0)
        request.stop.strings.extend(fields.get("stop", []))
        request.stop.ignore_eos = fields.get("ignore_eos", False)
        held = fields.get("structured_outputs", {})
        request.constraint.choice.texts.extend(held["choice"]) if "choice" in held else None
        if "regex" in held:
            request.constraint.regex = held["regex"]
        if "kv_transfer_params" in fields:
            request.kv_transfer_params.update(fields["kv_transfer_params"])
        return request

    def read(self, events):
        v1, seen = self.messages["v1"], Seen()
        for event in events:
            if event.WhichOneof("event") == "tokens":
                seen.piece([token.id for token in event.tokens.tokens], "".join(token.text for token in event.tokens.tokens))
            elif event.WhichOneof("event") == "finished":
                seen.piece([], event.finished.text, v1.FinishReason.Name(event.finished.reason).removeprefix("FINISH_REASON_"))
                seen.times = event.finished.times
                seen.usage = event.finished.usage
                seen.handed_over = dict(event.finished.kv_transfer_params) or None
        return seen


class VllmDoor(GrpcDoor):
    method = "vllm.Inference/GenerateStream"

    @property
    def answer(self):
        return self.messages["vllm"].GenerateResponse

    def request(self, prompt, fields):
        vllm = self.messages["vllm"]
        request = vllm.GenerateRequest(token_ids=vllm.TokenIds(ids=prompt))
        request.temperature = fields["temperature"]
        for name in ("seed", "top_k", "top_p", "min_p"):
            if name in fields:
                setattr(request.sampling, name, fields[name])
        for name in ("presence_penalty", "frequency_penalty", "repetition_penalty"):
            setattr(request.decoding, name, fields.get(name, 0))
        request.stopping.max_new_tokens = fields["max_tokens"]
        request.stopping.min_new_tokens = fields.get("min_tokens", 0)
        request.stopping.stop_strings.extend(fields.get("stop", []))
        request.stopping.ignore_eos = fields.get("ignore_eos", False)
        request.response.output_token_ids = True
        held = fields.get("structured_outputs", {})
        request.decoding.choice.choices.extend(held["choice"]) if "choice" in held else None
        if "regex" in held:
            request.decoding.regex = held["regex"]
        if "kv_transfer_params" in fields:
            request.kv.kv_transfer_params.update(fields["kv_transfer_params"])
        return request

    def read(self, messages):
        """Checks what the protocol promises of each message as well."""
        vllm, seen, total = self.messages["vllm"], Seen(), 0
        for number, message in enumerate(messages):
            assert message.HasField("prompt_info") == (number == 0)
            if not message.HasField("outputs"):
                continue
            output = message.outputs
            assert output.index == 0 and output.num_tokens == len(output.token_ids)
            total += output.num_tokens
            end = None
            if output.HasField("finish_info"):
                end = vllm.FinishInfo.FinishReason.Name(output.finish_info.finish_reason)
                assert output.finish_info.num_output_tokens == total
                seen.handed_over = dict(output.finish_info.kv_transfer_params) or None
            seen.piece(list(output.token_ids), output.text, end)
        return seen


class VllmWholeDoor(VllmDoor):
    def whole(self, prompt, fields):
        with GrpcDoors(self.address) as doors:
            return self.read([doors.ask("vllm.Inference/Generate", self.request(prompt, fields), self.answer)])


class OpenEngineDoor(GrpcDoor):
    method = "openengine.v1.Inference/Generate"

    @property
    def answer(self):
        return self.messages["openengine"].GenerateResponse

    def request(self, prompt, fields):
        openengine = self.messages["openengine"]
        request = openengine.GenerateRequest(model=MODEL, token_ids=openengine.TokenIds(ids=prompt))
        for name in ("temperature", "seed", "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"):
            if name in fields:
                setattr(request.sampling, name, fields[name])
        request.stopping.max_tokens = fields["max_tokens"]
        request.stopping.min_tokens = fields.get("min_tokens", 0)
        for text in fields.get("stop", []):
            request.stopping.conditions.add(stop_text=text)
        request.stopping.ignore_eos = fields.get("ignore_eos", False)
        held = fields.get("structured_outputs", {})
        request.guided.choice.choices.extend(held["choice"]) if "choice" in held else None
        if "regex" in held:
            request.guided.regex = held["regex"]
        if (transfer := fields.get("kv_transfer_params")) is not None:
            if transfer.get("do_remote_decode"):
                request.extra.update({"request_type": "context_only"})
            else:
                request.kv.session.session_id = transfer["remote_request_id"]
                request.kv.session.attributes_struct.update(transfer)
        return request

    def read(self, events):
        """Checks that usage is on the last event only, and that each event of an output names it."""
        openengine, seen, last = self.messages["openengine"], Seen(), None
        for event in events:
            assert last is None, "an event after the terminal one"
            kind = event.WhichOneof("event")
            if kind == "token":
                assert event.token.HasField("output_index") and not event.HasField("usage")
                seen.piece([token.token_id for token in event.token.tokens], event.token.text)
                continue
            last = event
            assert event.HasField("usage")
            if kind == "finished":
                reason = openengine.FinishReason.Name(event.finished.reason).removeprefix("FINISH_REASON_")
                assert event.finished.HasField("stop_match") == (reason == "STOP")
                seen.piece([], "", reason)
            elif kind == "prefill_ready":
                session = event.prefill_ready.kv_session
                seen.piece([], "", "LENGTH")
                seen.handed_over = dict(session.attributes_struct)
                assert session.session_id == seen.handed_over["remote_request_id"]
            else:
                seen.piece([], "", openengine.ErrorCode.Name(event.error.code))
        return seen


class SmgDoor(GrpcDoor):
    """No texts: the router makes them."""

    method = "vllm.grpc.engine.VllmEngine/Generate"
    streams = True

    @property
    def answer(self):
        return self.messages["smg"].GenerateResponse

    def request(self, prompt, fields):
        smg = self.messages["smg"]
        request = smg.GenerateRequest(stream=self.streams, tokenized=smg.TokenizedInput(input_ids=prompt))
        params = request.sampling_params
        for name in ("temperature", "seed", "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"):
            if name in fields:
                setattr(params, name, fields[name])
        params.max_tokens, params.min_tokens = fields["max_tokens"], fields.get("min_tokens", 0)
        params.stop.extend(fields.get("stop", []))
        params.ignore_eos = fields.get("ignore_eos", False)
        held = fields.get("structured_outputs", {})
        params.choice.choices.extend(held["choice"]) if "choice" in held else None
        if "regex" in held:
            params.regex = held["regex"]
        if "kv_transfer_params" in fields:
            request.kv_transfer_params_json = json.dumps(fields["kv_transfer_params"])
        return request

    def read(self, messages):
        seen, ids = Seen(), []
        for message in messages:
            if message.WhichOneof("response") == "chunk":
                ids += message.chunk.token_ids
                assert message.chunk.completion_tokens == len(ids) and message.chunk.prompt_tokens > 0
                continue
            end = message.complete
            assert not self.streams or list(end.output_ids) == ids
            seen.piece(list(end.output_ids), "", {"stop": "STOP", "length": "LENGTH", "abort": "ABORTED"}[end.finish_reason])
            assert end.completion_tokens == len(end.output_ids)
            seen.handed_over = json.loads(end.kv_transfer_params_json) if end.HasField("kv_transfer_params_json") else None
        return seen


class SmgWholeDoor(SmgDoor):
    streams = False


# In the order of the table.
DOORS = {
    "HTTP completions": lambda server, messages: HttpDoor(server),
    "waferline.v1": OwnDoor,
    "vllm.Inference, streamed": VllmDoor,
    "vllm.Inference, whole": VllmWholeDoor,
    "vllm.grpc.engine, streamed": SmgDoor,
    "vllm.grpc.engine, whole": SmgWholeDoor,
    "openengine.v1": OpenEngineDoor,
}
