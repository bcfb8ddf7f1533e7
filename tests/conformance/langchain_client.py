"""LangChain's ChatOpenAI and OpenAI, unmodified: invoke, stream, batch, the same awaited, chains, errors."""
import asyncio
import sys
import time

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI

from cluster import Cluster, done, test

cluster = Cluster(sys.argv[1])
WORDS = {"base_url": cluster.base, "api_key": cluster.key, "model": "tiny", "temperature": 0, "max_retries": 0}
chat = ChatOpenAI(**WORDS)
text = OpenAI(**WORDS, max_tokens=20)
WHO = "Who are you?"


@test
def invoke_answers():
    a = chat.invoke(WHO)
    assert isinstance(a, AIMessage) and a.content == "I am the tiny model of Witan."
    assert a.response_metadata["finish_reason"] == "stop" and a.response_metadata["model_name"] == "tiny"
    u = a.usage_metadata
    assert u["total_tokens"] == u["input_tokens"] + u["output_tokens"] > 0


@test
def messages_of_every_role():
    a = chat.invoke([SystemMessage("You are kind."), HumanMessage("Hi"), AIMessage("Hello."), HumanMessage(WHO)])
    assert a.content and a.usage_metadata["input_tokens"] > chat.invoke(WHO).usage_metadata["input_tokens"]


@test
def a_conversation_that_holds_tool_calls():
    call = {"name": "get_weather", "args": {"city": "Paris"}, "id": "call_1"}
    asked = [HumanMessage("weather?"), AIMessage("", tool_calls=[call])]
    a = chat.invoke(asked + [ToolMessage('{"t": 20}', tool_call_id="call_1")])
    assert a.usage_metadata["input_tokens"] == 29        # as in tests/golden/tool_chats.json


@test
def a_stream_equals_the_whole():
    whole, parts = chat.invoke(WHO), list(chat.stream(WHO, stream_usage=True))
    total = parts[0]
    for p in parts[1:]:
        total += p
    assert total.content == whole.content and len(parts) > 3
    assert total.response_metadata["finish_reason"] == "stop"
    assert total.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]


@test
def a_batch_is_in_order():
    asked = [WHO, "What can you do?", WHO, "Hello!"]
    assert [a.content for a in chat.batch(asked)] == [chat.invoke(q).content for q in asked]


@test
def awaited_answers_are_the_same():
    async def ask():
        streamed = "".join([c.content async for c in chat.astream(WHO)])
        return (await chat.ainvoke(WHO)).content, streamed, [a.content for a in await chat.abatch([WHO] * 4)]
    one, streamed, four = asyncio.run(ask())
    assert one == streamed == "I am the tiny model of Witan." and four == [one] * 4


@test
def a_chain_of_prompt_model_and_parser():
    chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{q}")]) | chat | StrOutputParser()
    assert chain.invoke({"q": WHO}) == "".join(chain.stream({"q": WHO})) != ""


@test
def log_probabilities_come_with_the_answer():
    a = chat.bind(logprobs=True, top_logprobs=3, max_tokens=4).invoke(WHO)
    marks = a.response_metadata["logprobs"]["content"]
    assert len(marks) == a.usage_metadata["output_tokens"] == 4 and all(len(m["top_logprobs"]) == 3 for m in marks)


@test
def a_stop_and_a_length():
    a = chat.invoke(WHO, stop=[" tiny"])
    assert a.content == "I am the" and a.response_metadata["finish_reason"] == "stop"
    assert chat.bind(max_tokens=2).invoke(WHO).response_metadata["finish_reason"] == "length"


@test
def several_choices():
    r = ChatOpenAI(**{**WORDS, "temperature": 1}, n=3, seed=5, max_tokens=12).generate([[HumanMessage(WHO)]])
    assert len(r.generations[0]) == 3 and r.llm_output["token_usage"]["completion_tokens"] <= 36


@test
def completions_invoke_stream_and_batch():
    whole = text.invoke("Once upon a time")
    assert whole and "".join(text.stream("Once upon a time")) == whole
    assert text.batch(["Once upon a time", "The King"]) == [whole, text.invoke("The King")]


@test
def errors_keep_their_classes():
    def raises(kind, f):
        try:
            f()
        except kind as e:
            return e
        raise AssertionError(kind)
    assert raises(openai.NotFoundError, lambda: ChatOpenAI(**{**WORDS, "model": "none"}).invoke(WHO)).status_code == 404
    raises(openai.AuthenticationError, lambda: ChatOpenAI(**{**WORDS, "api_key": "wt-no"}).invoke(WHO))
    raises(openai.BadRequestError, lambda: chat.bind(temperature=3).invoke(WHO))
    long = {**WORDS, "extra_body": {"ignore_eos": True}, "max_tokens": 900}
    begun = time.monotonic()
    ChatOpenAI(**long).invoke(WHO)
    quarter = (time.monotonic() - begun) / 4             # of the time that this machine takes
    raises(openai.APITimeoutError, lambda: ChatOpenAI(**long, timeout=quarter).invoke(WHO))
    cluster.until("router", "witan_router_sequences_running", 0)


done()
