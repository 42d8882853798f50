"""The official `anthropic` SDK, unmodified. Takes ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY."""

import uuid

import anthropic
from anthropic import Anthropic, AsyncAnthropic

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

MODEL = "claude-sonnet-4-5"
QUESTION = [{"role": "user", "content": "Say something – naïvely, in 東京. 🦀"}]
TOOLS = [
    {"name": "weather", "input_schema": WEATHER},
    {"name": "time", "input_schema": TIME},
]

client = Anthropic(max_retries=0, default_headers=HEADERS)


def message(answer):
    return {
        "id": answer.id,
        "model": answer.model,
        "text": "".join(it.text for it in answer.content if it.type == "text"),
        "blocks": [it.type for it in answer.content],
        "stop": answer.stop_reason,
        "usage": plain(answer.usage),
        "tool_calls": [
            {"name": it.name, "arguments": it.input}
            for it in answer.content
            if it.type == "tool_use"
        ],
    }


def create(**more):
    return message(ask(**more))


def ask(**more):
    options = {"model": MODEL, "max_tokens": 2048, "messages": QUESTION} | more
    return client.messages.create(**options)


def stream(**more):
    options = {"model": MODEL, "max_tokens": 2048, "messages": QUESTION} | more
    events, text = [], ""
    with client.messages.stream(**options) as events_of:
        for event in events_of:
            events.append(event.type)
            if event.type == "text":
                text += event.text
        final = events_of.get_final_message()
    return message(final) | {"streamed_text": text, "events": list(dict.fromkeys(events))}


def tools():
    first = ask(tools=TOOLS)
    results = [
        {"type": "tool_result", "tool_use_id": it.id, "content": "sunny"}
        for it in first.content
        if it.type == "tool_use"
    ]
    followed = QUESTION + [
        {"role": "assistant", "content": [plain(it) for it in first.content]},
        {"role": "user", "content": results},
    ]
    final = ask(tools=TOOLS, messages=followed)
    return message(first) | {"text": message(final)["text"]}


def turns(**more):
    """Two questions, each answered with the help of two tools called at once."""
    messages = [{"role": "user", "content": "How is the weather?"}]
    calls, texts, thoughts = [], [], []
    for question in ["And tomorrow?", None]:
        for _ in range(2):
            answer = ask(system="Be brief.", tools=TOOLS, messages=messages, **more)
            messages.append(
                {"role": "assistant", "content": [plain(it) for it in answer.content]}
            )
            texts += [it.text for it in answer.content if it.type == "text" and it.text]
            thoughts += [it.thinking for it in answer.content if it.type == "thinking"]
            uses = [it for it in answer.content if it.type == "tool_use"]
            calls += [{"name": it.name, "arguments": it.input} for it in uses]
            if uses:
                results = [
                    {
                        "type": "tool_result",
                        "tool_use_id": it.id,
                        "content": [{"type": "text", "text": "sunny"}],
                    }
                    for it in uses
                ]
                messages.append({"role": "user", "content": results})
        if question:
            messages.append({"role": "user", "content": question})
    return {
        "texts": texts,
        "tool_calls": calls,
        "thoughts": thoughts,
        "usage": plain(answer.usage),
    }


def thinking_turns():
    return turns(thinking={"type": "enabled", "budget_tokens": 1024})


def image():
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}]
    return create(messages=[{"role": "user", "content": parts}])


def structured():
    return create(output_config={"format": {"type": "json_schema", "schema": FORECAST}})


def large():
    model, headers = simulating(MODEL, "huge=10485760")
    answer = client.messages.create(
        model=model,
        max_tokens=8_000_000,
        messages=[{"role": "user", "content": LARGE}],
        extra_headers=headers,
        # Without a time this SDK refuses to wait for so long an answer.
        timeout=600,
    )
    return {"bytes": len(answer.content[0].text.encode())}


def leaves():
    """Goes away in the middle of a stream that would never end."""
    model, headers = simulating(MODEL, "hang=2000")
    text = ""
    with client.messages.stream(
        model=model, max_tokens=2048, messages=QUESTION, extra_headers=headers
    ) as events:
        for piece in events.text_stream:
            text += piece
            if len(text) > 5:
                break
    return {"began": len(text) > 5}


def many():
    async def stream(begun):
        text = ""
        async with client.messages.stream(
            model=MODEL, max_tokens=2048, messages=QUESTION
        ) as events:
            async for piece in events.text_stream:
                if not text:
                    await begun()
                text += piece
        return text

    client = AsyncAnthropic(max_retries=0, default_headers=HEADERS, timeout=600)
    return all_at_once(stream)


def thinking():
    return stream(thinking={"type": "enabled", "budget_tokens": 1024})


def cached():
    """The same marked prompt twice: written (for an hour and for five minutes), then read."""
    rules = f"Run {uuid.uuid4()}. " + "Keep the rules short. " * 300
    system = [
        {"type": "text", "text": rules, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": rules, "cache_control": {"type": "ephemeral"}},
    ]
    written = create(system=system)
    read = stream(system=system)
    return {"written": written["usage"], "read": read["usage"], "usage": read["usage"]}


def server_tool():
    return stream(tools=[{"type": "web_search_20250305", "name": "web_search"}])


def count_tokens():
    counted = client.messages.count_tokens(model=MODEL, messages=QUESTION, tools=TOOLS)
    return {"input_tokens": counted.input_tokens}


def models():
    one = client.models.retrieve("claude-haiku-4-5")
    return {"models": [it.id for it in client.models.list()], "one": one.id}


def refused(control, **more):
    model, headers = simulating(MODEL, control)
    return create(model=model, extra_headers=headers, **more)


def refused_stream(control):
    model, headers = simulating(MODEL, control)
    return stream(model=model, extra_headers=headers)


def without_key():
    omitted = anthropic.omit
    return create(extra_headers={"X-Api-Key": omitted, "Authorization": omitted})


def wrong_base_url():
    base_url = str(client.base_url).removesuffix("/") + "/v9"
    client.with_options(base_url=base_url).messages.create(
        model=MODEL, max_tokens=9, messages=QUESTION
    )
    return {}


def oversized():
    return create(messages=[{"role": "user", "content": "x" * (65 << 20)}])


def no_object():
    client.post("/v1/messages", cast_to=object, body=[1])
    return {}


def describe_error(error):
    import httpx2

    # A stream that breaks off is not wrapped by this SDK.
    if not isinstance(error, (anthropic.AnthropicError, httpx2.HTTPError)):
        return None
    return {
        "status": getattr(error, "status_code", None),
        "message": getattr(error, "message", str(error)),
        "type": getattr(error, "type", None),
        "request_id": getattr(error, "request_id", None),
        "retry_after": retry_after(error),
    }


def retry_after(error):
    response = getattr(error, "response", None)
    return response.headers.get("retry-after") if response is not None else None


CASES = {
    "plain": create,
    "stream": stream,
    "tools": tools,
    "tools_stream": lambda: stream(tools=TOOLS),
    "thinking": thinking,
    "turns": turns,
    "thinking_turns": thinking_turns,
    "image": image,
    "structured": structured,
    "cached": cached,
    "server_tool": server_tool,
    "max_tokens": lambda: create(max_tokens=5),
    "stop_sequence": lambda: create(stop_sequences=["simulated"]),
    "count_tokens": count_tokens,
    "models": models,
    "error_400": lambda: create(messages=[]),
    "error_401": lambda: refused("status=401"),
    "error_403": lambda: refused("status=403"),
    "error_404": lambda: create(model="claude-0"),
    "error_413": lambda: refused("status=413"),
    "error_429": lambda: refused("status=429,retry-after=2"),
    "error_500": lambda: refused("status=500"),
    "error_529": lambda: refused("status=529"),
    "error_midstream": lambda: refused_stream("error_midstream"),
    "broken_stream": lambda: refused_stream("break_after=900"),
}

BY_NAME = {
    "large": large,
    "leaves": leaves,
    "many": many,
    # A gateway answers the rest itself.
    "no_key": without_key,
    "unknown_path": wrong_base_url,
    "oversized": oversized,
    "no_object": no_object,
}

if __name__ == "__main__":
    run("anthropic-python", anthropic.__version__, CASES, BY_NAME, describe_error)
