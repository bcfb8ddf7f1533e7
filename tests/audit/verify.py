#!/usr/bin/env python3
"""verify.py WITNESS_KEY FILE - a second verifier of Witan's audit log, in the standard library alone.
WITNESS_KEY: the witness's public key file (a line NAME+ID+BASE64). FILE: an export, or witan.db.
--last FILE: the witness's own last checkpoint. Prints one line of JSON; exit 0 good, 1 not, 2 usage.
Made from docs/audit.md, not from the C program: that both agree is a test."""
import base64, csv, hashlib, json, sqlite3, sys, time


# ---- Ed25519 (RFC 8032): the library where there is one, else forty lines ----
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def x_of(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * I % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point(b):
    y = int.from_bytes(b, "little")
    x = x_of(y & (1 << 255) - 1, y >> 255)
    y &= (1 << 255) - 1
    return None if x is None else (x, y, 1, x * y % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


GY = 4 * pow(5, P - 2, P) % P
G = (x_of(GY, 0), GY, 1, x_of(GY, 0) * GY % P)


def good_slow(key, message, sig):
    a, r, s = point(key), point(sig[:32]), int.from_bytes(sig[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    p, q = times(s, G), add(r, times(h, a))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def good(key, message, sig):
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return good_slow(key, message, sig)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(sig, message)
        return True
    except Exception:
        return False


# ---- notes and checkpoints (c2sp.org: signed-note, tlog-cosignature, tlog-checkpoint) ----
class Wrong(Exception):
    def __init__(self, kind, leaf, words, line=0):
        self.kind, self.leaf, self.words, self.line = kind, leaf, words, line


def read_key(path):
    name, ident, raw = open(path).read().strip().split("+", 2)
    raw = base64.b64decode(raw, validate=True)
    if hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != ident or raw[0] != 4:
        sys.exit("this is no public key of a witness")
    return name, bytes.fromhex(ident), raw[1:]


def cosigned(text, key):
    """(size, root, seconds) of a checkpoint that this witness has cosigned, or None."""
    name, ident, public = key
    if "\n\n" not in text:
        return None
    body, _, lines = text.rpartition("\n\n")
    body += "\n"
    for line in lines.split("\n"):
        word = line.split(" ")
        if len(word) != 3 or word[0] != "\u2014" or word[1] != name:
            continue
        try:
            sig = base64.b64decode(word[2], validate=True)
        except ValueError:
            continue
        if sig[:4] != ident or len(sig) != 76:
            continue
        when = int.from_bytes(sig[4:12], "big")
        if when and good(public, b"cosignature/v1\ntime %d\n" % when + body.encode(), sig[12:]):
            _, size, root = body.split("\n")[:3]
            return int(size), base64.b64decode(root, validate=True), when
    return None


# ---- the tree (RFC 6962) ----
def leaf_hash(body):
    return hashlib.sha256(b"\0" + body).digest()


def node(l, r):
    return hashlib.sha256(b"\1" + l + r).digest()


class Frontier:
    def __init__(self):
        self.size, self.part = 0, []

    def add(self, h):
        n = self.size
        while n & 1:
            h = node(self.part.pop(), h)
            n >>= 1
        self.part.append(h)
        self.size += 1

    def root(self):
        if not self.part:
            return hashlib.sha256().digest()
        h = self.part[-1]
        for l in reversed(self.part[:-1]):
            h = node(l, h)
        return h


def included(h, at, size, path, root):
    last = size - 1
    for p in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            h = node(p, h)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            h = node(h, p)
        at, last = at >> 1, last >> 1
    return last == 0 and h == root


# ---- events (proto/witan/v1/audit.proto) ----
NAMES = {1: "kind", 2: "request", 3: "time_us", 4: "gateway", 5: "tenant", 6: "actor", 7: "key_id",
         10: "model", 11: "revision", 12: "arm", 15: "outcome", 16: "status", 9: "action", 32: "subject",
         36: "code", 37: "count", 18: "prompt_tokens", 19: "completion_tokens", 39: "words",
         8: "door", 13: "policy", 17: "finish_reason", 28: "cause", 34: "cost_nano", 35: "source", 40: "team"}
KINDS = {1: "intent", 2: "outcome", 3: "interrupted", 4: "mark", 5: "note"}
TEXT = {"gateway", "tenant", "actor", "key_id", "model", "arm", "outcome", "action", "code", "words",
        "door", "policy", "finish_reason", "cause", "source", "team"}


def varint(b, i):
    v = shift = 0
    while True:
        v |= (b[i] & 127) << shift
        shift, i = shift + 7, i + 1
        if b[i - 1] < 128:
            return v, i


def event(b):
    e, i = {}, 0
    while i < len(b):
        tag, i = varint(b, i)
        if tag & 7 == 0:
            v, i = varint(b, i)
        elif tag & 7 == 2:
            n, i = varint(b, i)
            if i + n > len(b):
                raise ValueError("cut off")
            v, i = bytes(b[i:i + n]), i + n
        else:
            raise ValueError("wire type %d" % (tag & 7))
        name = NAMES.get(tag >> 3)
        if name:
            e[name] = v.decode() if name in TEXT else v
    return e


def uuid(b):
    h = b.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def check_gone(gone, notes):
    """Leaves that retention took and a note in the log states."""
    took = set()
    for day in {g[0] for g in gone}:
        ranges = [(a, b) for d, a, b in gone if d == day]
        text = "".join("%d-%d\n" % r for r in ranges)
        if (day, hashlib.sha256(text.encode()).hexdigest()) in notes:
            for a, b in ranges:
                took.update(range(a, b + 1))
    return took


# ---- a database ----
def verify_db(path, key, last):
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    heads, newest = {}, (0, b"", 0)
    texts = [n + (l or "") for n, l in db.execute(
        "SELECT c.note, k.line FROM audit_checkpoints c LEFT JOIN audit_cosignatures k"
        " ON k.size = c.size AND k.witness = ?", (key[0],)) if isinstance(n, str)]
    for text in texts + ([last] if last else []):
        c = cosigned(text, key)
        if c:
            heads.setdefault(c[0], set()).add(c[1])
            newest = max(newest, c)
    if not newest[0]:
        raise Wrong("checkpoint", 0, "nothing here is cosigned by this witness")
    size = (db.execute("SELECT size FROM audit_tree").fetchone() or [0])[0]
    end, tiles = max(size, newest[0]), {}
    for at, blob in db.execute("SELECT tile, hashes FROM audit_tiles WHERE level = 0"):
        for k in range(0, len(blob), 32):
            tiles[at * 256 + k // 32] = blob[k:k + 32]
    gone = list(db.execute("SELECT day, first_leaf, last_leaf FROM audit_dropped ORDER BY day, first_leaf"))
    notes, missing, odd, f, next_leaf, n, good_to = set(), [], None, Frontier(), 0, 0, 0

    def put(leaf, h):
        nonlocal odd, good_to
        stored = tiles.get(leaf)
        if h is None:
            missing.append(leaf)
            h = stored or b"\0" * 32
        elif stored is not None and stored != h and odd is None:
            odd = leaf
        f.add(h)
        for root in heads.get(f.size, ()):
            if root != f.root():
                if missing:
                    raise Wrong("missing", missing[0], "rows are gone")
                raise Wrong("row" if odd is not None else "range", odd if odd is not None else good_to,
                            "the rows do not give the root that was cosigned")
            odd, good_to = None, f.size

    rows = db.execute("SELECT leaf, body, day, request, kind, time_us, gateway, tenant, actor, key_id, model,"
                      " revision, arm, outcome, status, subject FROM audit_events ORDER BY leaf")
    names = [d[0] for d in rows.description]
    for row in rows:
        row = dict(zip(names, row))
        leaf = row["leaf"]
        if leaf < next_leaf or leaf >= end:
            raise Wrong("extra", leaf, "a row that is no part of the log")
        while next_leaf < leaf:
            put(next_leaf, None)
            next_leaf += 1
        try:
            e = event(row["body"])
        except (ValueError, IndexError, TypeError):
            raise Wrong("row", leaf, "its body is no event")
        if len(e.get("request", b"")) != 16:
            raise Wrong("row", leaf, "its body names no request")
        e["day"] = int.from_bytes(e["request"][:6], "big") // 86400000
        for name in names:
            if name not in ("leaf", "body") and row[name] != e.get(name):
                raise Wrong("row", leaf, "its body says something else than its column " + name)
        if e["kind"] == 5 and e.get("action") == "audit.retention":
            notes.add((e.get("count", 0), e.get("code")))
        put(leaf, leaf_hash(row["body"]))
        next_leaf, n = leaf + 1, n + 1
    while next_leaf < end:
        put(next_leaf, None)
        next_leaf += 1
    took = check_gone(gone, notes)
    bad = [m for m in missing if m not in took]
    if bad:
        raise Wrong("missing", bad[0], "rows are gone")
    if odd is not None:
        raise Wrong("row", odd, "its body gives another hash than the tile")
    return {"rows": n, "witnessed": newest[0], "witnessed_s": newest[2], "dropped": len(missing)}


# ---- an export ----
CSV_HEAD = ("leaf,kind,time,request_id,tenant,team,actor,key_id,source,gateway,door,action,model,revision,arm,policy,outcome,"
            "status,code,finish_reason,prompt_tokens,completion_tokens,cost,cause,subject,words,checkpoint,proof,body").split(",")


def csv_text(e, name):
    s = e.get(name, "")
    return ("'" if s[:1] in tuple("=+-@\t\r") else "") + "".join(" " if c < " " or c == "\x7f" else c for c in s)


def csv_row(leaf, e, size):
    """The columns of an event but the last two, as docs/audit.md has them."""
    us, nano = e.get("time_us", 0), e.get("cost_nano", 0)
    said = {"leaf": str(leaf), "kind": KINDS.get(e["kind"]), "request_id": uuid(e["request"]), "checkpoint": str(size),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 10**6)) + ".%03dZ" % (us % 10**6 // 1000),
            "cost": "%d.%09d" % divmod(nano, 10**9)}
    for name in ("revision", "subject"):
        said[name] = e.get(name, b"").hex()
    for name in ("status", "prompt_tokens", "completion_tokens"):
        said[name] = str(e.get(name, 0))
    return [said[n] if n in said else csv_text(e, n) for n in CSV_HEAD[:-2]]


def lines_of(path):
    """The lines of an export as NDJSON, also of one as CSV, whose columns are compared with its bodies."""
    with open(path, "rb") as f:
        is_csv = f.read(5) == b"leaf,"
        f.seek(0)
        if not is_csv:
            yield from enumerate(f, 1)
            return
    size = None
    csv.field_size_limit(32 << 20)
    with open(path, newline="", encoding="utf-8") as f:
        for number, row in enumerate(csv.reader(f), 1):
            if number == 1:
                if row != CSV_HEAD:
                    raise Wrong("export", 0, "its columns are others", number)
                continue
            leaf = int(row[0]) if row and row[0].isdigit() else 0
            try:
                body = base64.b64decode(row[-1], validate=True)
                if row[1] in ("checkpoint", "end"):
                    if row[:-1] != ["", row[1]] + [""] * 24 + [row[26], ""]:
                        raise ValueError("columns")
                    if row[1] == "checkpoint":
                        size = json.loads(body)["size"]
                    yield number, body
                    continue
                e = event(body)
                if len(row) != len(CSV_HEAD) or row[:-2] != csv_row(leaf, e, size):
                    raise ValueError("columns")
            except (ValueError, IndexError, KeyError, TypeError):
                raise Wrong("row", leaf, "the row is none of an export, or its columns say something else", number)
            shown = {name: KINDS.get(v) if name == "kind" else uuid(v) if name == "request" else
                     v.hex() if isinstance(v, bytes) else v for name, v in e.items()}
            yield number, json.dumps({"leaf": leaf, "body": row[-1], "proof": row[-2].split(), "event": shown}).encode()


def verify_export(path, key, last):
    head, next_leaf, n, gaps, notes, tail, number = None, 0, 0, [], set(), None, 0
    for number, line in lines_of(path):
        try:
            j = json.loads(line)
        except ValueError:
            raise Wrong("export", next_leaf, "the line is no JSON", number)
        if tail:
            raise Wrong("export", next_leaf, "lines follow the last one", number)
        if head is None:
            head, c = j, cosigned(j.get("checkpoint", ""), key)
            if c is None:
                raise Wrong("checkpoint", 0, "the checkpoint is not cosigned by this witness", number)
            size, root, when = c
        elif j.get("end"):
            tail = j
        else:
            leaf = j["leaf"]
            try:
                body = base64.b64decode(j["body"], validate=True)
                path_ = [base64.b64decode(p, validate=True) for p in j["proof"]]
            except ValueError:
                raise Wrong("row", leaf, "no base64", number)
            if leaf < next_leaf or leaf >= size:
                raise Wrong("extra", leaf, "twice, out of order, or behind the checkpoint", number)
            if head["complete"]:
                gaps += range(next_leaf, leaf)
            if not included(leaf_hash(body), leaf, size, path_, root):
                raise Wrong("row", leaf, "the proof does not lead to the cosigned root", number)
            e, shown = event(body), j["event"]
            for name, v in e.items():
                want = (KINDS.get(v) if name == "kind" else uuid(v) if name == "request" else
                        v.hex() if isinstance(v, bytes) else v)
                if shown.get(name) != want:
                    raise Wrong("row", leaf, "its readable form says something else: " + name, number)
            if e["kind"] == 5 and e.get("action") == "audit.retention":
                notes.add((e.get("count", 0), e.get("code")))
            next_leaf, n = leaf + 1, n + 1
    if tail is None:
        raise Wrong("export", next_leaf, "the export breaks off", number + 1)
    if head["complete"]:
        gaps += range(next_leaf, size)
    took = check_gone(tail["dropped"], notes)
    bad = [g for g in gaps if g not in took]
    if bad:
        raise Wrong("missing", bad[0], "a complete export, and rows are missing", number)
    if tail["events"] != n:
        raise Wrong("missing", next_leaf, "the last line counts other events", number)
    return {"rows": n, "witnessed": size, "witnessed_s": when, "dropped": len(gaps)}


def main(argv):
    last = None
    if "--last" in argv:
        at = argv.index("--last")
        last = open(argv[at + 1]).read()
        del argv[at:at + 2]
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    key, path = read_key(argv[1]), argv[2]
    is_db = open(path, "rb").read(15) == b"SQLite format 3"
    try:
        out = (verify_db if is_db else verify_export)(path, key, last)
        print(json.dumps({"good": True, **out}))
        return 0
    except Wrong as w:
        print(json.dumps({"good": False, "wrong": w.kind, "leaf": w.leaf, "line": w.line, "words": w.words}))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
