"""LangChain, unmodified, with its parts for OpenAI, Anthropic and Gemini.

Takes OPENAI_BASE_URL, ANTHROPIC_BASE_URL and GOOGLE_GEMINI_BASE_URL as the official SDKs do. One
JSON line per case, on standard output: what LangChain made of the answer."""

import json
import os
import sys
from pathlib import Path

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))
from cases import FORECAST, PNG, TIME, WEATHER  # noqa: E402 - beside the other programs

QUESTION = "Say something – naïvely, in 東京. 🦀"
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Tells.", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "time", "description": "Tells.", "parameters": TIME}},
]

# By the first word of a case's name.
MODELS = {
    "chat": lambda name: ChatOpenAI(
        model="gpt-5-mini" + name, max_retries=0, stream_usage=True
    ),
    "responses": lambda name: ChatOpenAI(
        model="gpt-5-mini" + name, max_retries=0, use_responses_api=True
    ),
    "messages": lambda name: ChatAnthropic(
        model="claude-sonnet-4-5" + name,
        max_retries=0,
        max_tokens=2048,
        base_url=os.environ["ANTHROPIC_BASE_URL"],
    ),
    "gemini": lambda name: ChatGoogleGenerativeAI(
        model="gemini-2.5-flash" + name,
        max_retries=1,
        base_url=os.environ["GOOGLE_GEMINI_BASE_URL"],
        google_api_key=os.environ["GEMINI_API_KEY"],
    ),
}


def described(answer):
    return {
        "text": answer.text if isinstance(answer.text, str) else answer.text(),
        "tokens": [answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]],
    }


def text(model):
    return described(model.invoke([SystemMessage("Be brief."), HumanMessage(QUESTION)]))


def stream(model):
    whole = None
    for chunk in model.stream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    return described(whole)


def tools(model):
    """Two questions, each answered with the help of two tools called at once."""
    model = model.bind_tools(TOOLS)
    messages = [HumanMessage("How is the weather?")]
    calls, texts = [], []
    for question in ["And tomorrow?", None]:
        for _ in range(2):
            answer = model.invoke(messages)
            messages.append(answer)
            if described(answer)["text"]:
                texts.append(described(answer)["text"])
            for call in answer.tool_calls:
                calls.append({"name": call["name"], "arguments": call["args"]})
                messages.append(
                    ToolMessage("sunny", tool_call_id=call["id"], name=call["name"])
                )
        if question:
            messages.append(HumanMessage(question))
    return {"texts": texts, "tool_calls": calls}


def structured(model):
    schema = FORECAST | {"title": "Forecast", "description": "A forecast."}
    return {"parsed": model.with_structured_output(schema, method="json_schema").invoke(QUESTION)}


def image(model):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    content = [{"type": "text", "text": "What is this?"}, picture]
    return described(model.invoke([HumanMessage(content)]))


CASES = {"text": text, "stream": stream, "tools": tools, "structured": structured, "image": image}
# With a control of the simulator behind the model's name.
REFUSED = {
    "error_401": "+status=401",
    "error_429": "+status=429+retry-after=2",
    "error_500": "+status=500",
}

for name in sys.argv[1:]:
    of, case = name.split("_", 1)
    line = {"client": "langchain", "case": name, "pid": os.getpid()}
    try:
        run = CASES.get(case, text)
        line |= run(MODELS[of](REFUSED.get(case, ""))) | {"error": None}
    except Exception as error:  # noqa: BLE001 - what is raised is the result
        if case not in REFUSED:
            raise
        line |= {"error": type(error).__name__, "message": str(error)}
        line["status"] = getattr(error, "status_code", None)
    print(json.dumps(line, ensure_ascii=False), flush=True)
