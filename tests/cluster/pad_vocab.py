"""pad_vocab.py FROM TO ROWS: the model of folder FROM in a new folder TO, its embedding and its head longer by ROWS
rows of zeros, as models come whose vocabulary was rounded up; the tokenizer stays as it is."""
import json
import os
import struct
import sys

source, to, more = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.mkdir(to)
for name in os.listdir(source):
    if name not in ("config.json", "model.safetensors") and os.path.isfile(f"{source}/{name}"):
        os.symlink(os.path.abspath(f"{source}/{name}"), f"{to}/{name}")
config = json.load(open(f"{source}/config.json"))
config["vocab_size"] += more
json.dump(config, open(f"{to}/config.json", "w"))

data = open(f"{source}/model.safetensors", "rb").read()
size, = struct.unpack("<Q", data[:8])
header, body = json.loads(data[8:8 + size]), data[8 + size:]
out, parts, at = {}, [], 0
for name, t in sorted(((k, v) for k, v in header.items() if k != "__metadata__"), key=lambda x: x[1]["data_offsets"]):
    piece = body[t["data_offsets"][0]:t["data_offsets"][1]]
    if name in ("lm_head.weight", "model.embed_tokens.weight"):
        piece += bytes(len(piece) // t["shape"][0] * more)
        t["shape"][0] += more
    out[name] = {**t, "data_offsets": [at, at + len(piece)]}
    parts.append(piece)
    at += len(piece)
head = json.dumps(out).encode()
with open(f"{to}/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + b"".join(parts))
