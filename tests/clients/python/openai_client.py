"""The official `openai` SDK, unmodified. Takes OPENAI_BASE_URL and OPENAI_API_KEY."""

import openai
from openai import OpenAI

from cases import HEADERS, SIMULATE, TIME, WEATHER, plain, run

MODEL = "gpt-5-mini"
EMBEDDING_MODEL = "text-embedding-3-small"
QUESTION = [{"role": "user", "content": "Say something – naïvely, in 東京. 🦀"}]
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "time", "parameters": TIME}},
]
RESPONSES_TOOLS = [
    {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True},
    {"type": "function", "name": "time", "parameters": TIME, "strict": True},
]

client = OpenAI(max_retries=0, default_headers=HEADERS)


def chat_plain():
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION)
    choice = answer.choices[0]
    return {
        "id": answer.id,
        "model": answer.model,
        "text": choice.message.content,
        "stop": choice.finish_reason,
        "usage": plain(answer.usage),
        "request_id": answer._request_id,
    }


def chat_stream(**more):
    text, stop, usage, chunks, model = "", None, None, 0, None
    calls = {}
    stream = client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, **more
    )
    for chunk in stream:
        chunks += 1
        model = chunk.model
        usage = plain(chunk.usage) or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            stop = choice.finish_reason or stop
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"name": "", "arguments": ""})
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
    return {
        "model": model,
        "text": text,
        "stop": stop,
        "usage": usage,
        "chunks": chunks,
        "tool_calls": [calls[index] for index in sorted(calls)],
    }


def chat_stream_usage():
    return chat_stream(stream_options={"include_usage": True})


def chat_tools():
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, tools=TOOLS)
    message = answer.choices[0].message
    followed = QUESTION + [message.model_dump(exclude_none=True)]
    for call in message.tool_calls:
        followed.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
    final = client.chat.completions.create(model=MODEL, messages=followed, tools=TOOLS)
    return {
        "stop": answer.choices[0].finish_reason,
        "tool_calls": [
            {"name": it.function.name, "arguments": it.function.arguments}
            for it in message.tool_calls
        ],
        "usage": plain(answer.usage),
        "text": final.choices[0].message.content,
    }


def chat_tools_stream():
    return chat_stream(tools=TOOLS, stream_options={"include_usage": True})


def chat_structured():
    from pydantic import BaseModel

    class Forecast(BaseModel):
        city: str
        days: list[int]
        sunny: bool

    answer = client.chat.completions.parse(
        model=MODEL, messages=QUESTION, response_format=Forecast
    )
    return {"parsed": plain(answer.choices[0].message.parsed), "usage": plain(answer.usage)}


def responses_plain():
    answer = client.responses.create(model=MODEL, input="Say something.")
    return {
        "id": answer.id,
        "model": answer.model,
        "text": answer.output_text,
        "stop": answer.status,
        "usage": plain(answer.usage),
    }


def responses_stream():
    events, text, numbers = [], "", []
    with client.responses.stream(
        model=MODEL, input="Say something.", reasoning={"summary": "auto"}
    ) as stream:
        for event in stream:
            events.append(event.type)
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                text += event.delta
        final = stream.get_final_response()
    return {
        "model": final.model,
        "text": text,
        "final_text": final.output_text,
        "stop": final.status,
        "usage": plain(final.usage),
        "events": list(dict.fromkeys(events)),
        "in_order": numbers == list(range(len(numbers))),
    }


def responses_tools_stream():
    with client.responses.stream(
        model=MODEL, input="Say something.", tools=RESPONSES_TOOLS
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    calls = [it for it in final.output if it.type == "function_call"]
    return {
        "stop": final.status,
        "usage": plain(final.usage),
        "tool_calls": [{"name": it.name, "arguments": it.arguments} for it in calls],
    }


def embeddings():
    """The SDK asks for base64 by itself and decodes it."""
    answer = client.embeddings.create(model=EMBEDDING_MODEL, input=["one", "two", "東京"])
    floats = client.embeddings.create(
        model=EMBEDDING_MODEL, input="one", encoding_format="float", dimensions=8
    )
    return {
        "model": answer.model,
        "usage": plain(answer.usage),
        "dimensions": [len(it.embedding) for it in answer.data],
        "length": sum(it * it for it in answer.data[0].embedding),
        "short": floats.data[0].embedding,
    }


def models():
    one = client.models.retrieve(MODEL)
    return {"models": [it.id for it in client.models.list()], "one": one.id}


def refused(control, **more):
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, extra_headers={SIMULATE: control}, **more
    )
    if more.get("stream"):
        for _ in answer:
            pass
    return {}


def no_such_model():
    client.chat.completions.create(model="gpt-0", messages=QUESTION)
    return {}


def malformed():
    client.chat.completions.create(model=MODEL, messages=[])
    return {}


def without_key():
    client.chat.completions.create(
        model=MODEL, messages=QUESTION, extra_headers={"Authorization": openai.Omit()}
    )
    return {}


def without_v1():
    """The usual mistake: a base URL without /v1."""
    base_url = str(client.base_url).removesuffix("/").removesuffix("/v1")
    client.with_options(base_url=base_url).chat.completions.create(
        model=MODEL, messages=QUESTION
    )
    return {}


def oversized():
    text = "x" * (65 << 20)
    client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}]
    )
    return {}


def no_object():
    client.post("/chat/completions", cast_to=object, body=[1])
    return {}


def describe_error(error):
    if not isinstance(error, openai.OpenAIError):
        return None
    return {
        "status": getattr(error, "status_code", None),
        "message": getattr(error, "message", None),
        "code": getattr(error, "code", None),
        "type": getattr(error, "type", None),
        "request_id": getattr(error, "request_id", None),
    }


CASES = {
    "chat_plain": chat_plain,
    "chat_stream": chat_stream,
    "chat_stream_usage": chat_stream_usage,
    "chat_tools": chat_tools,
    "chat_tools_stream": chat_tools_stream,
    "chat_structured": chat_structured,
    "responses_plain": responses_plain,
    "responses_stream": responses_stream,
    "responses_tools_stream": responses_tools_stream,
    "embeddings": embeddings,
    "models": models,
    "error_400": malformed,
    "error_401": lambda: refused("status=401"),
    "error_403": lambda: refused("status=403"),
    "error_404": no_such_model,
    "error_429": lambda: refused("status=429,retry-after=2"),
    "error_500": lambda: refused("status=500"),
    "error_503": lambda: refused("status=503"),
    "error_html": lambda: refused("status=502,html"),
    "error_midstream": lambda: refused("error_midstream", stream=True),
    "broken_stream": lambda: refused("break_after=900", stream=True),
}

WRONG = {
    "no_key": without_key,
    "unknown_path": without_v1,
    "oversized": oversized,
    "no_object": no_object,
}

if __name__ == "__main__":
    run("openai-python", openai.__version__, CASES, WRONG, describe_error)
