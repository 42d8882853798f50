"""The official `google-genai` SDK, unmodified. Takes GOOGLE_GEMINI_BASE_URL and GEMINI_API_KEY."""

from google import genai
from google.genai import errors, types

from cases import HEADERS, SIMULATE, TIME, WEATHER, plain, run

MODEL = "gemini-2.5-flash"
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


def config(control=None, **more):
    headers = types.HttpOptions(headers={SIMULATE: control}) if control else None
    return types.GenerateContentConfig(
        http_options=headers,
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
    answer = client.models.generate_content(
        model=model, contents=contents, config=config(control, **more)
    )
    return described(answer)


def stream(control=None, **more):
    text, thoughts, stop, usage, chunks, calls, model = "", "", None, None, 0, [], None
    for chunk in client.models.generate_content_stream(
        model=MODEL, contents=QUESTION, config=config(control, **more)
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


def structured():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return generate(response_mime_type="application/json", response_json_schema=schema)


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
    }


CASES = {
    "plain": generate,
    "stream": stream,
    "tools": tools,
    "tools_stream": lambda: stream(tools=TOOLS),
    "structured": structured,
    "thinking": thinking,
    "max_tokens": lambda: generate(max_output_tokens=5),
    "count_tokens": count_tokens,
    "embeddings": embeddings,
    "models": models,
    "error_400": lambda: generate(control="status=400"),
    "error_403": lambda: generate(control="status=403"),
    "error_404": lambda: generate(model="gemini-0"),
    "error_429": lambda: generate(control="status=429,retry-after=2"),
    "error_500": lambda: generate(control="status=500"),
    "error_503": lambda: generate(control="status=503"),
    "error_midstream": lambda: stream(control="error_midstream"),
    "broken_stream": lambda: stream(control="break_after=900"),
}

if __name__ == "__main__":
    run("google-genai-python", genai.__version__, CASES, {}, describe_error)
