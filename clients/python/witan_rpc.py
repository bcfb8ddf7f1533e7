"""A client of Witan's RPC door on one page: pyzmq and the classes that protoc makes of proto/witan/v1.

  pip install pyzmq protobuf                                   (protoc's version fits protobuf's)
  protoc -I proto --python_out=OUT proto/witan/v1/*.proto      (or python -m grpc_tools.protoc ...)
  PYTHONPATH=OUT python clients/python/witan_rpc.py CLIENT_FILE "Who are you?"

CLIENT_FILE is what `witan key create --rpc CLIENT_FILE` wrote. docs/wire.md describes the wire."""
import sys
try:
    import zmq
    from witan.v1 import api_pb2 as api, envelope_pb2 as wire
except ImportError as e:
    sys.exit(f"{e}: this client needs the packages pyzmq and protobuf, and what protoc makes of proto/witan/v1 in "
             "PYTHONPATH (see the head of this file)")

CREDIT = 16                                     # messages of an answer that may be on their way


class Error(Exception):
    """status: gRPC's code, e.g. 16 for UNAUTHENTICATED."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class Client:
    def __init__(self, file):
        with open(file) as f:
            self.conf = dict(line.rstrip("\n").partition(": ")[::2] for line in f)
        lacking = {"endpoint", "server_key", "public_key", "secret_key", "api_key"} - self.conf.keys()
        if lacking:
            raise Error(3, f"{file} is no client file, it has no {', '.join(sorted(lacking))}; "
                        "witan key create --rpc FILE writes one")
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        try:
            self.socket.curve_serverkey = self.conf["server_key"].encode()
            self.socket.curve_publickey = self.conf["public_key"].encode()
            self.socket.curve_secretkey = self.conf["secret_key"].encode()
        except zmq.ZMQError:
            raise Error(3, f"{file} is no client file, one of its keys is none (40 characters of Z85); "
                        "witan key create --rpc FILE writes one") from None
        self.socket.linger = 0
        self.socket.immediate = 1               # nothing is sent to a door that is not there
        self.refused = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH |
                                                      zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
        self.socket.connect(self.conf["endpoint"])
        self.last = 0
        self.metadata = {}                      # of the last call that ended

    def connected(self, seconds=10):
        """Waits for a connection; raises Error when there is none, or our key is refused."""
        p = zmq.Poller()
        p.register(self.socket, zmq.POLLOUT)
        p.register(self.refused, zmq.POLLIN)
        now = dict(p.poll(seconds * 1000))
        if self.socket in now:
            return
        where = self.conf["endpoint"]
        if now:
            raise Error(16, f"the gateway at {where} refuses the keys of this client file; witan key list shows "
                        "which there are")
        raise Error(14, f"no connection to {where}; is a gateway there?")

    def send(self, call_id, method, field, **body):
        e = wire.Envelope(version=1, call_id=call_id, method=method)
        getattr(e, field).SetInParent()
        for key, value in body.items():
            setattr(getattr(e, field), key, value)
        return e

    def call(self, path, request, answer, timeout=30.0):
        """Yields the messages of the answer; raises Error when the call ends with a status."""
        self.connected()
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


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: witan_rpc.py CLIENT_FILE QUESTION")
    try:
        client = Client(sys.argv[1])
        models = next(client.call("/witan.v1.Models/List", api.ModelsRequest(), api.ModelList))
        for piece in client.chat(models.data[0].id, sys.argv[2], temperature=0):
            print(piece, end="", flush=True)
        print()
    except (Error, OSError, ValueError, zmq.ZMQError) as e:     # the last: a key that is none
        sys.exit(f"witan_rpc.py: {e}")


if __name__ == "__main__":
    main()
