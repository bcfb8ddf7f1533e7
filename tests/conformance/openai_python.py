"""openai-python, unmodified: models, chat, streams, completions, log-probabilities, errors, retries, aborts."""
import asyncio
import json
import math
import sys
import threading
import time

import openai

from cluster import Cluster, done, test

cluster = Cluster(sys.argv[1], sys.argv[2])
client = openai.OpenAI(base_url=cluster.base, api_key=cluster.key, max_retries=0)
WHO = [{"role": "user", "content": "Who are you?"}]
LONG = {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 900, "extra_body": {"ignore_eos": True}}
LONGER = {**LONG, "n": 8}
golden = json.load(open("models/tiny/golden.json"))


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
    assert raises(openai.BadRequestError, messages=[]).param == "messages"
    huge = [{"role": "user", "content": "x" * (9 << 20)}]
    assert raises(openai.APIStatusError, messages=huge).status_code == 413


@test
def keys_are_looked_at():
    def refused(key, kind):
        other = openai.OpenAI(base_url=cluster.base, api_key=key, max_retries=0)
        try:
            other.completions.create(model="tiny", prompt="x", max_tokens=1)
        except kind as e:
            return e
        raise AssertionError("a wrong key was let in")
    refused("wt-wrong", openai.AuthenticationError)
    key, end = cluster.new_key(name="elsewhere", models="large"), time.monotonic() + 120
    while True:                                          # a gateway hears of a new key in a moment
        e = refused(key, openai.APIStatusError)
        if e.status_code != 401 or time.monotonic() > end:
            break
    assert isinstance(e, openai.PermissionDeniedError) and e.code == "model_not_allowed", e


@test
def a_failure_is_tried_again_by_the_client():
    """The router stands still: 503 with Retry-After; the client asks again, and the router goes on."""
    seen = []

    def look(response):
        seen.append((response.status_code, response.headers.get("retry-after")))
        if response.status_code == 503:
            cluster.go_on("router")
    patient = openai.OpenAI(base_url=cluster.base, api_key=cluster.key, max_retries=3)
    patient._client.event_hooks["response"].append(look)
    cluster.stop("router")
    try:
        r = patient.completions.create(model="tiny", prompt="Once", max_tokens=4)
    finally:
        cluster.go_on("router")
    assert (r.usage.completion_tokens == 4 and seen[0] == (503, "1") and
            set(seen[1:-1]) <= {(503, "1")} and seen[-1] == (200, None)), seen


@test
def a_failure_in_a_stream_is_raised():                   # case H13
    """Both workers stand still in the middle of an answer: an error in band, and no finish reason."""
    reasons, error = [], None
    stream = client.completions.create(**LONGER, stream=True)
    try:
        for n, chunk in enumerate(stream):
            if n == 10:
                cluster.stop("expert")
            reasons += [c.finish_reason for c in chunk.choices if c.finish_reason]
    except openai.APIError as e:
        error = e
    finally:
        cluster.go_on("expert")
    assert error is not None and not isinstance(error, openai.APIConnectionError) and reasons == [], (error, reasons)
    cluster.until("router", "witan_router_experts_missing", 0)
    assert client.completions.create(model="tiny", prompt="Once", max_tokens=2)


@test
def an_aborted_stream_frees_its_sequence():
    gone = cluster.metric("gateway", "witan_gateway_client_closed_total")
    made = cluster.metric("gateway", "witan_gateway_completion_tokens_total")
    read = 0
    for _ in range(5):
        s = client.completions.create(**LONGER, stream=True)
        for _ in range(3):
            next(iter(s))
            read += 1
        s.close()
    cluster.until("gateway", "witan_gateway_client_closed_total", gone + 5)
    cluster.until("router", "witan_router_sequences_running", 0)
    made = cluster.metric("gateway", "witan_gateway_completion_tokens_total") - made
    print(f"# {read} chunks were read, {made:.0f} tokens were made for them", flush=True)
    assert made < 5 * LONGER["n"] * LONGER["max_tokens"] / 4
    assert client.completions.create(model="tiny", prompt="Once", max_tokens=2)


@test
def a_timeout_frees_its_sequence():
    begun = time.monotonic()
    client.completions.create(**LONGER)
    whole = time.monotonic() - begun                     # what is too short for this machine
    gone = cluster.metric("gateway", "witan_gateway_client_closed_total")
    try:
        client.with_options(timeout=whole / 4).completions.create(**LONGER)
    except openai.APITimeoutError:
        cluster.until("gateway", "witan_gateway_client_closed_total", gone + 1)
        cluster.until("router", "witan_router_sequences_running", 0)
        return
    raise AssertionError(f"7,200 tokens in a quarter of {whole:.1f} s")


@test
def the_async_client_is_answered():
    async def ask():
        async with openai.AsyncOpenAI(base_url=cluster.base, api_key=cluster.key, max_retries=0) as c:
            stream = await c.chat.completions.create(model="tiny", messages=WHO, temperature=0, stream=True)
            text = "".join([x.choices[0].delta.content or "" async for x in stream])
            whole = await asyncio.gather(*[c.chat.completions.create(model="tiny", messages=WHO, temperature=0)
                                           for _ in range(8)])
            return text, {w.choices[0].message.content for w in whole}
    text, whole = asyncio.run(ask())
    assert whole == {text}


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


done()
