"""Makes tests/golden/tool_chats.json: conversations in the shapes of OpenAI's chat API that hold tool calls, as
transformers' apply_chat_template renders them with models/tiny's own template.

    python tests/golden/make_tool_chats.py          from the source root; needs transformers, jinja2
"""
import json
import sys

import transformers

OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/tool_chats.json"
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file="models/tiny/tokenizer.json")
config = json.load(open("models/tiny/tokenizer_config.json", encoding="utf-8"))
tokenizer.bos_token = config["bos_token"]
tokenizer.chat_template = config["chat_template"]


def user(text): return {"role": "user", "content": text}
def tool(id, text): return {"role": "tool", "tool_call_id": id, "content": text}
def call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
def calls(content, *list):
    return {"role": "assistant", "content": content, "tool_calls": [*list]}


PARIS = call("call_1", "get_weather", '{"city": "Paris"}')
CHATS = [
    [user("weather?"), calls(None, PARIS), tool("call_1", '{"t": 20}')],
    [user("weather?"), calls("", PARIS), tool("call_1", "")],
    [{"role": "system", "content": "Be brief."}, user("both?"),
     calls("Let me see.", PARIS, call("call_2", "add", '{"a": 1, "b": 2}')), tool("call_1", "20"), tool("call_2", "3")],
    [user("w?"), calls(None, PARIS), tool("call_1", "20"), {"role": "assistant", "content": "It is 20."},
     user("and now?")],
    [user("w?"), calls(None, PARIS), tool("call_1", "20"), calls(None, call("b", "get_tide", '{"port":"Kiel"}')),
     tool("b", "high")],
    [user("w?"), calls("<think>Paris, then</think>I look.", PARIS), tool("call_1", "20"), user("thanks")],
    [user("w?"), calls("I look.", PARIS), user("never mind")],
    [user("q"), calls(None, call("x", "say", '{"text": "line\\n\\"quoted\\" \\u00e9 — 你好 😀"}')),
     tool("x", "ok — 好\nline two  ")],
    [user("q"), calls(None, call("x", "now", "")), tool("x", "12:00")],
    [user("q"), calls(None, call("x", "broken", '{"a": ')), tool("x", "error: no JSON")],
    [user("q"), {**calls("plain"), "tool_calls": []}, user("and?")],
    [user("many"), calls(None, *[call(f"c{i}", f"f_{i}", json.dumps({"i": i})) for i in range(12)]),
     *[tool(f"c{i}", str(i * i)) for i in range(12)]],
]

with open(OUT, "w", encoding="utf-8") as f:
    rows = [{"messages": c, "ids": tokenizer.apply_chat_template(c, tokenize=True, add_generation_prompt=True,
                                                                return_dict=False)} for c in CHATS]
    f.write('{"made_with": "tests/golden/make_tool_chats.py, transformers %s",\n"chats": [\n' % transformers.__version__)
    f.write(",\n".join(json.dumps(r) for r in rows) + "]}\n")
