"""The official `google-genai` SDK, unmodified. Takes GOOGLE_GEMINI_BASE_URL and GEMINI_API_KEY."""

import base64

from google import genai
from google.genai import errors, types

from cases import (
    FORECAST,
    HEADERS,
    LARGE,
    MANY,
    PNG,
    TIME,
    WEATHER,
    all_at_once,
    plain,
    run,
    simulating,
)

MODEL = "gemini-2.5-flash"
PICTURE_MODEL = "gemini-2.5-flash-image"
EMBEDDING_MODEL = "gemini-embedding-001"
QUESTION = "Say something – naïvely, in 東京. 🦀"
TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="weather", parameters_json_schema=WEATHER),
            types.FunctionDeclaration(name="time", parameters_json_schema=TIME),
        ]
    )
]

client = genai.Client(http_options=types.HttpOptions(headers=HEADERS))


def config(headers=None, **more):
    return types.GenerateContentConfig(
        http_options=types.HttpOptions(headers=headers) if headers else None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        **more,
    )


def described(answer):
    parts = answer.candidates[0].content.parts
    return {
        "model": answer.model_version,
        "text": "".join(it.text for it in parts if it.text and not it.thought),
        "thoughts": "".join(it.text for it in parts if it.text and it.thought),
        "stop": answer.candidates[0].finish_reason.value,
        "usage": plain(answer.usage_metadata),
        "tool_calls": [
            {"name": it.function_call.name, "arguments": it.function_call.args}
            for it in parts
            if it.function_call
        ],
    }


def generate(contents=QUESTION, control=None, model=MODEL, **more):
    model, headers = simulating(model, control) if control else (model, None)
    answer = client.models.generate_content(
        model=model, contents=contents, config=config(headers, **more)
    )
    return described(answer)


def stream(control=None, **more):
    text, thoughts, stop, usage, chunks, calls, model = "", "", None, None, 0, [], None
    asked, headers = simulating(MODEL, control) if control else (MODEL, None)
    for chunk in client.models.generate_content_stream(
        model=asked, contents=QUESTION, config=config(headers, **more)
    ):
        chunks += 1
        usage = plain(chunk.usage_metadata) or usage
        model = chunk.model_version
        for candidate in chunk.candidates or []:
            stop = candidate.finish_reason.value if candidate.finish_reason else stop
            for part in candidate.content.parts:
                if part.function_call:
                    call = part.function_call
                    calls.append({"name": call.name, "arguments": call.args})
                elif part.thought:
                    thoughts += part.text
                else:
                    text += part.text or ""
    return {
        "model": model,
        "text": text,
        "thoughts": thoughts,
        "stop": stop,
        "usage": usage,
        "chunks": chunks,
        "tool_calls": calls,
    }


def tools():
    first = client.models.generate_content(
        model=MODEL, contents=QUESTION, config=config(tools=TOOLS)
    )
    results = [
        types.Part.from_function_response(name=it.name, response={"result": "sunny"})
        for it in first.function_calls
    ]
    contents = [
        types.Content(role="user", parts=[types.Part(text=QUESTION)]),
        first.candidates[0].content,
        types.Content(role="user", parts=results),
    ]
    final = generate(contents, tools=TOOLS)
    return described(first) | {"text": final["text"]}


def turns(**more):
    """Two questions, each answered with the help of two tools called at once."""
    contents = [types.Content(role="user", parts=[types.Part(text="How is the weather?")])]
    calls, texts, thoughts = [], [], []
    for question in ["And tomorrow?", None]:
        for _ in range(2):
            answer = client.models.generate_content(
                model=MODEL,
                contents=contents,
                config=config(system_instruction="Be brief.", tools=TOOLS, **more),
            )
            content = answer.candidates[0].content
            contents.append(content)
            texts += [it.text for it in content.parts if it.text and not it.thought]
            thoughts += [it.text for it in content.parts if it.text and it.thought]
            asked = [it.function_call for it in content.parts if it.function_call]
            calls += [{"name": it.name, "arguments": it.args} for it in asked]
            results = [
                types.Part(
                    function_response=types.FunctionResponse(
                        id=it.id, name=it.name, response={"result": "sunny"}
                    )
                )
                for it in asked
            ]
            if results:
                contents.append(types.Content(role="user", parts=results))
        if question:
            contents.append(types.Content(role="user", parts=[types.Part(text=question)]))
    return {
        "texts": texts,
        "tool_calls": calls,
        "thoughts": thoughts,
        "usage": plain(answer.usage_metadata),
    }


def thinking_turns():
    return turns(thinking_config=types.ThinkingConfig(include_thoughts=True))


def image():
    picture = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    return generate([types.Part(text="What is this?"), picture])


def scored(candidate):
    """Tokens with their log probabilities, and those of what could have stood there."""
    result = candidate.logprobs_result
    if result is None:
        return []
    tops = [it.candidates for it in result.top_candidates]
    return [
        [it.token, it.log_probability, [[top.token, top.log_probability] for top in top_list]]
        for it, top_list in zip(result.chosen_candidates, tops, strict=True)
    ]


def logprobs():
    answer = client.models.generate_content(
        model=MODEL, contents=QUESTION, config=config(response_logprobs=True, logprobs=2)
    )
    return described(answer) | {"logprobs": scored(answer.candidates[0])}


def logprobs_stream():
    text, tokens = "", []
    for chunk in client.models.generate_content_stream(
        model=MODEL, contents=QUESTION, config=config(response_logprobs=True, logprobs=2)
    ):
        text += chunk.text or ""
        for candidate in chunk.candidates or []:
            tokens += scored(candidate)
    return {"text": text, "logprobs": tokens}


def shown(parts):
    return [
        [it.inline_data.mime_type, base64.b64encode(it.inline_data.data).decode()]
        for it in parts
        if it.inline_data
    ]


def picture():
    """A picture, and another made from it."""
    contents = [types.Content(role="user", parts=[types.Part(text="Draw a moon.")])]
    texts, pictures = [], []
    for question in ["Now of cheese.", None]:
        answer = client.models.generate_content(
            model=PICTURE_MODEL,
            contents=contents,
            config=config(response_modalities=["TEXT", "IMAGE"]),
        )
        content = answer.candidates[0].content
        contents.append(content)
        texts.append("".join(it.text for it in content.parts if it.text))
        pictures += shown(content.parts)
        if question:
            contents.append(types.Content(role="user", parts=[types.Part(text=question)]))
    return {"texts": texts, "pictures": pictures, "usage": plain(answer.usage_metadata)}


def picture_stream():
    text, pictures = "", []
    for chunk in client.models.generate_content_stream(
        model=PICTURE_MODEL,
        contents=QUESTION,
        config=config(response_modalities=["TEXT", "IMAGE"]),
    ):
        for candidate in chunk.candidates or []:
            text += "".join(it.text for it in candidate.content.parts if it.text)
            pictures += shown(candidate.content.parts)
    return {"text": text, "pictures": pictures}


def large():
    model, headers = simulating(MODEL, "huge=10485760")
    limit = {"max_output_tokens": 8_000_000}
    answer = client.models.generate_content(
        model=model, contents=LARGE, config=config(headers, **limit)
    )
    return {"bytes": len(answer.text.encode())}


def leaves():
    """Goes away in the middle of a stream that would never end."""
    model, headers = simulating(MODEL, "hang=2000")
    text = ""
    chunks = client.models.generate_content_stream(
        model=model, contents=QUESTION, config=config(headers)
    )
    for chunk in chunks:
        text += chunk.text or ""
        if len(text) > 5:
            break
    chunks.close()
    return {"began": len(text) > 5}


def many():
    async def stream(begun):
        text = ""
        chunks = await client.aio.models.generate_content_stream(
            model=MODEL, contents=QUESTION, config=config()
        )
        async for chunk in chunks:
            if not text:
                await begun()
            text += chunk.text or ""
        return text

    import httpx2

    # This SDK opens a hundred connections unless told otherwise.
    limits = {"limits": httpx2.Limits(max_connections=MANY)}
    client = genai.Client(
        http_options=types.HttpOptions(headers=HEADERS, async_client_args=limits)
    )
    return all_at_once(stream)


def several_of(pieces):
    """Several answers, put together of one or more pieces."""
    texts, stops, calls, usage = {}, {}, [], None
    for piece in pieces:
        usage = plain(piece.usage_metadata) or usage
        for candidate in piece.candidates:
            at = candidate.index or 0
            texts.setdefault(at, "")
            if candidate.finish_reason:
                stops[at] = candidate.finish_reason.value
            for part in candidate.content.parts:
                if part.function_call:
                    call = part.function_call
                    calls.append({"choice": at, "name": call.name, "arguments": call.args})
                else:
                    texts[at] += part.text or ""
    return {
        "texts": [texts[at] for at in sorted(texts)],
        "stop": [stops[at] for at in sorted(stops)],
        "tool_calls": sorted(calls, key=lambda it: it["choice"]),
        "usage": usage,
    }


def several(**more):
    answer = client.models.generate_content(
        model=MODEL, contents=QUESTION, config=config(candidate_count=2, **more)
    )
    return several_of([answer])


def several_stream(**more):
    return several_of(
        client.models.generate_content_stream(
            model=MODEL, contents=QUESTION, config=config(candidate_count=2, **more)
        )
    )


def structured():
    return generate(response_mime_type="application/json", response_json_schema=FORECAST)


def thinking():
    return stream(thinking_config=types.ThinkingConfig(include_thoughts=True))


def count_tokens():
    return {"input_tokens": client.models.count_tokens(model=MODEL, contents=QUESTION).total_tokens}


def embeddings():
    answer = client.models.embed_content(
        model=EMBEDDING_MODEL,
        contents=["one", "two"],
        config=types.EmbedContentConfig(output_dimensionality=8),
    )
    return {"dimensions": [len(it.values) for it in answer.embeddings]}


def models():
    one = client.models.get(model=MODEL)
    return {"models": [it.name for it in client.models.list()], "one": one.name}


def describe_error(error):
    import httpx2

    # A stream that breaks off is not wrapped by this SDK.
    if not isinstance(error, (errors.APIError, httpx2.HTTPError)):
        return None
    return {
        "status": getattr(error, "code", None),
        "message": getattr(error, "message", str(error)),
        "type": getattr(error, "status", None),
        "retry_after": retry_after(error),
    }


def retry_after(error):
    """Gemini tells it in the error's details."""
    details = getattr(error, "details", None) or {}
    details = details.get("error", {}).get("details", []) if isinstance(details, dict) else []
    return next((it["retryDelay"] for it in details if "retryDelay" in it), None)


CASES = {
    "plain": generate,
    "stream": stream,
    "tools": tools,
    "tools_stream": lambda: stream(tools=TOOLS),
    "turns": turns,
    "thinking_turns": thinking_turns,
    "image": image,
    "structured": structured,
    "several": several,
    "several_stream": several_stream,
    "several_tools": lambda: several(tools=TOOLS),
    "several_tools_stream": lambda: several_stream(tools=TOOLS),
    "thinking": thinking,
    "max_tokens": lambda: generate(max_output_tokens=5),
    "count_tokens": count_tokens,
    "embeddings": embeddings,
    "models": models,
    "error_400": lambda: generate(control="status=400"),
    "error_401": lambda: generate(control="status=401"),
    "error_403": lambda: generate(control="status=403"),
    "error_404": lambda: generate(model="gemini-0"),
    "error_429": lambda: generate(control="status=429,retry-after=2"),
    "error_500": lambda: generate(control="status=500"),
    "error_529": lambda: generate(control="status=529"),
    "error_503": lambda: generate(control="status=503"),
    "error_midstream": lambda: stream(control="error_midstream"),
    "broken_stream": lambda: stream(control="break_after=900"),
}

BY_NAME = {
    "large": large,
    "leaves": leaves,
    "many": many,
    "logprobs": logprobs,
    "logprobs_stream": logprobs_stream,
    "picture": picture,
    "picture_stream": picture_stream,
}

if __name__ == "__main__":
    run("google-genai-python", genai.__version__, CASES, BY_NAME, describe_error)
