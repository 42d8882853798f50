"""The official `openai` SDK, unmodified. Takes OPENAI_BASE_URL and OPENAI_API_KEY."""

import openai
from openai import AsyncOpenAI, OpenAI

from cases import (
    FORECAST,
    HEADERS,
    LARGE,
    PNG,
    TIME,
    WEATHER,
    all_at_once,
    plain,
    run,
    simulating,
)

MODEL = "gpt-5-mini"
# Models that reason tell no log probabilities.
SCORED_MODEL = "gpt-4.1-mini"
PICTURE_MODEL = "gpt-5-image-mini"
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


def call_of(call):
    return {"name": call.function.name, "arguments": call.function.arguments}


def chat_turns(**more):
    """Two questions, each answered with the help of two tools called at once."""
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "How is the weather?"},
    ]
    calls, texts, thoughts = [], [], []
    for question in ["And tomorrow?", None]:
        for _ in range(2):
            answer = client.chat.completions.create(
                model=MODEL, messages=messages, tools=TOOLS, **more
            )
            message = answer.choices[0].message
            messages.append(message.model_dump(exclude_none=True))
            thoughts.append(getattr(message, "reasoning_content", None))
            if message.content:
                texts.append(message.content)
            for call in message.tool_calls or []:
                calls.append(call_of(call))
                result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
                messages.append(result)
        if question:
            messages.append({"role": "user", "content": question})
    return {
        "texts": texts,
        "tool_calls": calls,
        "thoughts": [it for it in thoughts if it],
        "usage": plain(answer.usage),
    }


def chat_thinking():
    return chat_turns(reasoning_effort="high")


def described(choices):
    """Several answers, as the SDK has them."""
    return {
        "texts": [it.message.content for it in choices],
        "stop": [it.finish_reason for it in choices],
        "tool_calls": [
            {"choice": it.index} | call_of(call)
            for it in choices
            for call in it.message.tool_calls or []
        ],
    }


def chat_several(**more):
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, n=2, **more)
    return described(answer.choices) | {"usage": plain(answer.usage)}


def chat_several_stream():
    """The SDK puts the chunks of each choice together."""
    with client.chat.completions.stream(
        model=MODEL, messages=QUESTION, n=2, stream_options={"include_usage": True}
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    return described(final.choices) | {"usage": plain(final.usage)}


def chat_several_tools_stream():
    stops, calls, usage = {}, {}, None
    for chunk in client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        n=2,
        tools=TOOLS,
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = plain(chunk.usage) or usage
        for choice in chunk.choices:
            if choice.finish_reason:
                stops[choice.index] = choice.finish_reason
            for part in choice.delta.tool_calls or []:
                fresh = {"choice": choice.index, "name": "", "arguments": ""}
                call = calls.setdefault((choice.index, part.index), fresh)
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
    return {
        "stop": [stops[index] for index in sorted(stops)],
        "tool_calls": [calls[index] for index in sorted(calls)],
        "usage": usage,
    }


def picture():
    return f"data:image/png;base64,{PNG}"


def chat_image():
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture()}},
    ]
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": parts}]
    )
    return {"text": answer.choices[0].message.content, "usage": plain(answer.usage)}


def scored(tokens):
    """Tokens with their log probabilities, and those of what could have stood there."""
    return [
        [it.token, it.logprob, [[top.token, top.logprob] for top in it.top_logprobs]]
        for it in tokens or []
    ]


def chat_logprobs():
    answer = client.chat.completions.create(
        model=SCORED_MODEL, messages=QUESTION, logprobs=True, top_logprobs=2
    )
    choice = answer.choices[0]
    return {
        "text": choice.message.content,
        "logprobs": scored(choice.logprobs.content),
        "usage": plain(answer.usage),
    }


def chat_logprobs_stream():
    text, tokens = "", []
    stream = client.chat.completions.create(
        model=SCORED_MODEL, messages=QUESTION, logprobs=True, top_logprobs=2, stream=True
    )
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            tokens += scored(choice.logprobs.content if choice.logprobs else None)
    return {"text": text, "logprobs": tokens}


def responses_logprobs():
    answer = client.responses.create(
        model=SCORED_MODEL,
        input="Say something.",
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    content = answer.output[0].content[0]
    return {
        "text": content.text,
        "logprobs": scored(content.logprobs),
        "usage": plain(answer.usage),
    }


def responses_logprobs_stream():
    text, tokens = "", []
    with client.responses.stream(
        model=SCORED_MODEL,
        input="Say something.",
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
                tokens += scored(event.logprobs)
        final = stream.get_final_response()
    assert scored(final.output[0].content[0].logprobs) == tokens
    return {"text": text, "logprobs": tokens}


def chat_picture():
    """A picture, and another made from it."""
    messages = [{"role": "user", "content": "Draw a moon."}]
    texts, pictures = [], []
    for question in ["Now of cheese.", None]:
        answer = client.chat.completions.create(
            model=PICTURE_MODEL, messages=messages, modalities=["image", "text"]
        )
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        texts.append(message.content)
        pictures += [it["image_url"]["url"] for it in message.images]
        if question:
            messages.append({"role": "user", "content": question})
    return {"texts": texts, "pictures": pictures, "usage": plain(answer.usage)}


def chat_picture_stream():
    text, pictures = "", []
    stream = client.chat.completions.create(
        model=PICTURE_MODEL, messages=QUESTION, modalities=["image", "text"], stream=True
    )
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            made = (choice.delta.model_extra or {}).get("images") or []
            pictures += [it["image_url"]["url"] for it in made]
    return {"text": text, "pictures": pictures}


def made(response):
    return [it.result for it in response.output if it.type == "image_generation_call"]


def responses_picture():
    """A picture, and another made from it; nothing is stored."""
    items = [{"role": "user", "content": "Draw a moon."}]
    texts, pictures = [], []
    for question in ["Now of cheese.", None]:
        answer = client.responses.create(
            model=PICTURE_MODEL, input=items, tools=[{"type": "image_generation"}], store=False
        )
        items += [it.model_dump(exclude_none=True) for it in answer.output]
        texts.append(answer.output_text)
        pictures += made(answer)
        if question:
            items.append({"role": "user", "content": question})
    return {"texts": texts, "pictures": pictures, "usage": plain(answer.usage)}


def responses_picture_stream():
    steps, numbers = [], []
    with client.responses.stream(
        model=PICTURE_MODEL, input="Draw a moon.", tools=[{"type": "image_generation"}]
    ) as stream:
        for event in stream:
            numbers.append(event.sequence_number)
            if event.type.startswith("response.image_generation_call."):
                steps.append(event.type)
        final = stream.get_final_response()
    return {
        "text": final.output_text,
        "pictures": made(final),
        "steps": steps,
        "in_order": numbers == list(range(len(numbers))),
    }


def chat_large():
    model, headers = simulating(MODEL, "huge=10485760")
    answer = client.chat.completions.create(
        model=model,
        max_completion_tokens=8_000_000,
        messages=[{"role": "user", "content": LARGE}],
        extra_headers=headers,
    )
    return {"bytes": len(answer.choices[0].message.content.encode())}


def chat_leaves():
    """Goes away in the middle of a stream that would never end."""
    model, headers = simulating(MODEL, "hang=3000")
    answer = client.chat.completions.create(
        model=model, messages=QUESTION, stream=True, extra_headers=headers
    )
    text = ""
    for chunk in answer:
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        if len(text) > 5:
            break
    answer.close()
    return {"began": len(text) > 5}


def chat_many():
    async def stream(begun):
        text = ""
        answer = await many.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
        async for chunk in answer:
            if not text and chunk.choices and chunk.choices[0].delta.content:
                await begun()
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
        return text

    many = AsyncOpenAI(max_retries=0, default_headers=HEADERS, timeout=600)
    return all_at_once(stream)


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


def responses_turns():
    """Two questions, each answered with the help of two tools called at once; nothing is stored."""
    items = [{"role": "user", "content": "How is the weather?"}]
    calls, texts = [], []
    for question in ["And tomorrow?", None]:
        for _ in range(2):
            answer = client.responses.create(
                model=MODEL,
                instructions="Be brief.",
                input=items,
                tools=RESPONSES_TOOLS,
                reasoning={"effort": "high", "summary": "auto"},
                include=["reasoning.encrypted_content"],
                store=False,
            )
            items += [it.model_dump(exclude_none=True) for it in answer.output]
            if answer.output_text:
                texts.append(answer.output_text)
            for call in answer.output:
                if call.type == "function_call":
                    calls.append({"name": call.name, "arguments": call.arguments})
                    items.append(
                        {
                            "type": "function_call_output",
                            "call_id": call.call_id,
                            "output": "sunny",
                        }
                    )
        if question:
            items.append({"role": "user", "content": question})
    return {"texts": texts, "tool_calls": calls, "usage": plain(answer.usage)}


def responses_image():
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": picture(), "detail": "auto"},
    ]
    answer = client.responses.create(model=MODEL, input=[{"role": "user", "content": parts}])
    return {"text": answer.output_text, "usage": plain(answer.usage)}


def responses_structured():
    form = {"type": "json_schema", "name": "forecast", "schema": FORECAST, "strict": True}
    answer = client.responses.create(model=MODEL, input="Say it.", text={"format": form})
    return {"text": answer.output_text, "usage": plain(answer.usage)}


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


def refused_response(control):
    model, headers = simulating(MODEL, control)
    client.responses.create(model=model, input="Say something.", extra_headers=headers)
    return {}


def refused(control, **more):
    model, headers = simulating(MODEL, control)
    answer = client.chat.completions.create(
        model=model, messages=QUESTION, extra_headers=headers, **more
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
        "retry_after": retry_after(error),
    }


def retry_after(error):
    response = getattr(error, "response", None)
    return response.headers.get("retry-after") if response is not None else None


CASES = {
    "chat_plain": chat_plain,
    "chat_stream": chat_stream,
    "chat_stream_usage": chat_stream_usage,
    "chat_tools": chat_tools,
    "chat_tools_stream": chat_tools_stream,
    "chat_structured": chat_structured,
    "chat_turns": chat_turns,
    "chat_thinking": chat_thinking,
    "chat_image": chat_image,
    "chat_several": chat_several,
    "chat_several_stream": chat_several_stream,
    "chat_several_tools": lambda: chat_several(tools=TOOLS),
    "chat_several_tools_stream": chat_several_tools_stream,
    "responses_plain": responses_plain,
    "responses_stream": responses_stream,
    "responses_tools_stream": responses_tools_stream,
    "responses_turns": responses_turns,
    "responses_image": responses_image,
    "responses_structured": responses_structured,
    "embeddings": embeddings,
    "models": models,
    "error_400": malformed,
    "error_401": lambda: refused("status=401"),
    "error_403": lambda: refused("status=403"),
    "error_404": no_such_model,
    "error_429": lambda: refused("status=429,retry-after=2"),
    "error_500": lambda: refused("status=500"),
    "error_529": lambda: refused("status=529"),
    "error_responses_429": lambda: refused_response("status=429,retry-after=2"),
    "error_503": lambda: refused("status=503"),
    "error_html": lambda: refused("status=502,html"),
    "error_midstream": lambda: refused("error_midstream", stream=True),
    "broken_stream": lambda: refused("break_after=900", stream=True),
}

BY_NAME = {
    "large": chat_large,
    "leaves": chat_leaves,
    "many": chat_many,
    "chat_logprobs": chat_logprobs,
    "chat_logprobs_stream": chat_logprobs_stream,
    "responses_logprobs": responses_logprobs,
    "responses_logprobs_stream": responses_logprobs_stream,
    "chat_picture": chat_picture,
    "chat_picture_stream": chat_picture_stream,
    "responses_picture": responses_picture,
    "responses_picture_stream": responses_picture_stream,
    # A gateway answers the rest itself.
    "no_key": without_key,
    "unknown_path": without_v1,
    "oversized": oversized,
    "no_object": no_object,
}

if __name__ == "__main__":
    run("openai-python", openai.__version__, CASES, BY_NAME, describe_error)
