"""openai-python, unmodified: models, chat, streams, completions, log-probabilities, errors, aborts."""
import json
import math
import sys
import threading

import openai

state = json.load(open(sys.argv[1]))
client = openai.OpenAI(base_url=state["http"] + "/v1", api_key=state["admin_key"], max_retries=0)
WHO = [{"role": "user", "content": "Who are you?"}]
golden = json.load(open("models/tiny/golden.json"))
passed = 0


def test(f):
    global passed
    f()
    passed += 1
    print(f"ok {passed} - {f.__name__.replace('_', ' ')}", flush=True)


@test
def models_are_listed():
    assert [m.id for m in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"


@test
def a_chat_answers():
    r = client.chat.completions.create(model="tiny", messages=WHO, temperature=0)
    assert r.choices[0].message.content and r.choices[0].finish_reason == "stop"
    assert r.usage.total_tokens == r.usage.prompt_tokens + r.usage.completion_tokens
    assert r.system_fingerprint == "wn1/f32"


@test
def a_stream_equals_the_whole():
    whole = client.chat.completions.create(model="tiny", messages=WHO, seed=3, max_tokens=60)
    text, usage, reasons = "", None, []
    for c in client.chat.completions.create(model="tiny", messages=WHO, seed=3, max_tokens=60, stream=True,
                                            stream_options={"include_usage": True}):
        if c.usage:
            usage = c.usage
        for choice in c.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert text == whole.choices[0].message.content
    assert reasons == [whole.choices[0].finish_reason] and usage == whole.usage


@test
def the_strict_stream_helper_accepts_it():
    with client.chat.completions.stream(model="tiny", messages=WHO, temperature=0) as s:
        for _ in s:
            pass
        assert s.get_final_completion().choices[0].message.content


@test
def completions_give_the_golden_tokens():
    for p in golden["prompts"]:
        r = client.completions.create(model="tiny", prompt=p["ids"], max_tokens=1, temperature=0, echo=True,
                                      logprobs=5)
        got = r.choices[0].logprobs.token_logprobs
        assert got[0] is None
        for want, have in zip(p["logprobs"][1:], got[1:]):
            assert abs(want - have) <= 1e-4, (want, have)
        if p["smallest_greedy_margin"] >= 1e-3:
            r = client.completions.create(model="tiny", prompt=p["ids"], max_tokens=len(p["greedy"]),
                                          temperature=0, extra_body={"ignore_eos": False})
            assert p["greedy_text"].startswith(r.choices[0].text) or r.choices[0].text == p["greedy_text"]


@test
def completions_of_several_prompts_and_choices():
    r = client.completions.create(model="tiny", prompt=["Once upon", "The King"], n=2, max_tokens=8, seed=1)
    assert [c.index for c in r.choices] == [0, 1, 2, 3]
    assert r.usage.completion_tokens == sum(1 for _ in r.choices) * 8 or r.usage.completion_tokens <= 32


@test
def completions_stream():
    whole = client.completions.create(model="tiny", prompt="Once upon a time", max_tokens=40, seed=9)
    parts = client.completions.create(model="tiny", prompt="Once upon a time", max_tokens=40, seed=9,
                                      stream=True)
    assert "".join(c.choices[0].text for c in parts) == whole.choices[0].text


@test
def chat_log_probabilities_are_probabilities():
    r = client.chat.completions.create(model="tiny", messages=WHO, temperature=0, logprobs=True,
                                       top_logprobs=5, max_tokens=8)
    for t in r.choices[0].logprobs.content:
        assert t.logprob <= 0 and len(t.top_logprobs) == 5
        assert abs(t.top_logprobs[0].logprob - t.logprob) < 1e-12
        assert sum(math.exp(x.logprob) for x in t.top_logprobs) <= 1 + 1e-9
        assert bytes(t.bytes).decode() == t.token


@test
def stop_strings_end_the_text():
    r = client.completions.create(model="tiny", prompt="Once upon a time", temperature=0, max_tokens=60,
                                  stop=[" house", " man"])
    assert r.choices[0].finish_reason == "stop"
    assert " house" not in r.choices[0].text and " man" not in r.choices[0].text


@test
def errors_have_their_classes():
    def raises(kind, **kw):
        try:
            client.chat.completions.create(**{"model": "tiny", "messages": WHO, **kw})
        except kind as e:
            return e
        raise AssertionError(kind)
    assert raises(openai.NotFoundError, model="gpt-9").code == "model_not_found"
    assert raises(openai.BadRequestError, temperature=3).param == "temperature"
    assert raises(openai.BadRequestError, max_tokens=5000).code == "context_length_exceeded"
    wrong = openai.OpenAI(base_url=state["http"] + "/v1", api_key="wt-wrong", max_retries=0)
    try:
        wrong.models.list()
    except openai.AuthenticationError:
        return
    raise AssertionError("a wrong key was let in")


@test
def an_aborted_stream_leaves_the_server_well():
    for _ in range(5):
        s = client.chat.completions.create(model="tiny", messages=WHO, max_tokens=500, stream=True,
                                           extra_body={"ignore_eos": True})
        next(iter(s))
        s.close()
    assert client.chat.completions.create(model="tiny", messages=WHO, max_tokens=2)


@test
def sixteen_at_once_give_what_one_gives():
    alone = [client.completions.create(model="tiny", prompt="Once upon a time", seed=i, max_tokens=32)
             .choices[0].text for i in range(16)]
    together = [None] * 16

    def ask(i):
        together[i] = client.completions.create(model="tiny", prompt="Once upon a time", seed=i,
                                                max_tokens=32).choices[0].text
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert alone == together


print(f"{passed} passed, 0 failed")
