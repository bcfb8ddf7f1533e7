"""A client of Witan's RPC door on one page: pyzmq and the classes that protoc makes of proto/witan/v1.

  protoc -I proto --python_out=OUT proto/witan/v1/*.proto      (or python -m grpc_tools.protoc ...)
  PYTHONPATH=OUT python clients/python/witan_rpc.py CLIENT_FILE "Who are you?"

CLIENT_FILE is what `witan key create --rpc CLIENT_FILE` wrote. docs/wire.md describes the wire."""
import sys
import zmq
from witan.v1 import api_pb2 as api, envelope_pb2 as wire

CREDIT = 16                                     # messages of an answer that may be on their way


class Error(Exception):
    """status: gRPC's code, e.g. 16 for UNAUTHENTICATED."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class Client:
    def __init__(self, file):
        self.conf = dict(line.rstrip("\n").split(": ", 1) for line in open(file))
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.curve_serverkey = self.conf["server_key"].encode()
        self.socket.curve_publickey = self.conf["public_key"].encode()
        self.socket.curve_secretkey = self.conf["secret_key"].encode()
        self.socket.linger = 0
        self.socket.sndtimeo = 2000             # a door that refused our key takes nothing
        self.socket.connect(self.conf["endpoint"])
        self.last = 0
        self.metadata = {}                      # of the last call that ended

    def send(self, call_id, method, field, **body):
        e = wire.Envelope(version=1, call_id=call_id, method=method)
        getattr(e, field).SetInParent()
        for key, value in body.items():
            setattr(getattr(e, field), key, value)
        return e

    def call(self, path, request, answer, timeout=30.0):
        """Yields the messages of the answer; raises Error when the call ends with a status."""
        self.last += 1
        me = self.last
        e = self.send(me, 64, "rpc_call", path=path, body=request.SerializeToString(),
                      timeout_us=int(timeout * 1e6), credit=CREDIT)
        e.rpc_call.metadata.add(key="authorization", value="Bearer " + self.conf["api_key"])
        self.socket.send(e.SerializeToString())
        seen = 0
        try:
            while self.socket.poll(timeout * 1000 + 2000):
                e = wire.Envelope.FromString(self.socket.recv())
                if e.call_id != me:
                    continue                    # of a call that we gave up
                if e.method == 66:              # RpcEnd
                    me = 0
                    self.metadata = {m.key: m.value for m in e.rpc_end.metadata}
                    if e.rpc_end.messages == seen + 1:  # the last one comes with the end
                        yield answer.FromString(e.rpc_end.body)
                    if e.status:
                        raise Error(e.status, e.message)
                    return
                seen += 1
                yield answer.FromString(e.rpc_data.body)
                self.socket.send(self.send(me, 67, "rpc_credit", messages=1).SerializeToString())
            raise Error(14, "no answer in time")
        finally:
            if me:                              # left early: RpcCancel
                self.socket.send(self.send(me, 68, "rpc_cancel").SerializeToString())

    def chat(self, model, text, **options):
        """Pieces of text as they come."""
        ask = api.ChatRequest(model=model, **options)
        ask.messages.add(role="user", content=text)
        for chunk in self.call("/witan.v1.Chat/Stream", ask, api.ChatChunk):
            for choice in chunk.choices:
                yield choice.delta.content


if __name__ == "__main__":
    client = Client(sys.argv[1])
    models = next(client.call("/witan.v1.Models/List", api.ModelsRequest(), api.ModelList))
    for piece in client.chat(models.data[0].id, sys.argv[2], temperature=0):
        print(piece, end="", flush=True)
    print()
