"""What two public calculators say that calls cost: genai-prices and LiteLLM.

Reads one JSON record a line from standard input (format, provider, model, when, service tier, and the
provider's answer as it is on the wire) and writes one line for each: the dollars as text, or why there
are none. Each calculator reads the usage out of the answer by its own code. Nothing is fetched.
"""

import json
import os
import sys
from datetime import UTC, datetime

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from genai_prices import calc_price, extract_usage  # noqa: E402
from litellm.cost_calculator import batch_cost_calculator, completion_cost  # noqa: E402
from litellm.llms.anthropic.chat.transformation import AnthropicConfig  # noqa: E402
from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import (  # noqa: E402
    VertexGeminiConfig,
)
from litellm.llms.xai.chat.transformation import XAIChatConfig  # noqa: E402
from litellm.responses.utils import ResponseAPILoggingUtils  # noqa: E402
from litellm.types.utils import ModelResponse, Usage  # noqa: E402

litellm.suppress_debug_info = True

# The catalogue's id -> genai-prices', LiteLLM's, and what LiteLLM's names begin with.
PROVIDERS = {
    "anthropic": ("anthropic", "anthropic", ""),
    "cerebras": ("cerebras", "cerebras", "cerebras/"),
    "deepseek": ("deepseek", "deepseek", "deepseek/"),
    "google": ("google", "gemini", "gemini/"),
    "groq": ("groq", "groq", "groq/"),
    "mistral": ("mistral", "mistral", "mistral/"),
    "moonshotai": ("moonshotai", "moonshot", "moonshot/"),
    "openai": ("openai", "openai", ""),
    "togetherai": ("together", "together_ai", "together_ai/"),
    "xai": ("x-ai", "xai", "xai/"),
}
FLAVORS = {"openai-chat": "chat", "openai-responses": "responses"}


def genai(record):
    provider = PROVIDERS[record["provider"]][0]
    flavor = FLAVORS.get(record["format"], "default")
    try:
        found = extract_usage(record["answer"], provider_id=provider, api_flavor=flavor)
    except ValueError:
        # Some providers have one flavour alone.
        found = extract_usage(record["answer"], provider_id=provider)
    at = datetime.fromtimestamp(record["at_ms"] / 1000, tz=UTC)
    price = calc_price(
        found.usage, record["model"], provider_id=provider, genai_request_timestamp=at
    )
    return format(price.total_price, "f")


def usage_of(record):
    answer = record["answer"]
    match record["format"]:
        case "openai-chat":
            usage = Usage(**answer["usage"])
            if record["provider"] == "xai":
                XAIChatConfig.fold_reasoning_tokens_into_completion(usage)
            return usage
        case "openai-responses":
            return ResponseAPILoggingUtils._transform_response_api_usage_to_chat_usage(
                answer["usage"]
            )
        case "anthropic-messages":
            return AnthropicConfig().calculate_usage(answer["usage"], None)
        case "gemini":
            return VertexGeminiConfig._calculate_usage(answer)
    raise ValueError(record["format"])


def by_litellm(record):
    _, provider, prefix = PROVIDERS[record["provider"]]
    model = prefix + record["model"]
    if model not in litellm.model_cost:
        raise LookupError("not in its list")
    tier = record["tier"]
    if tier == "batch":
        return repr(sum(batch_cost_calculator(usage_of(record), model, provider)))
    return repr(
        completion_cost(
            completion_response=ModelResponse(model=model, usage=usage_of(record)),
            model=model,
            custom_llm_provider=provider,
            service_tier=tier,
        )
    )


def told(calculate, record):
    try:
        return {"usd": calculate(record)}
    except Exception as error:  # whatever a calculator raises is its answer
        return {"why": f"{type(error).__name__}: {error}"[:200]}


def main():
    for line in sys.stdin:
        record = json.loads(line)
        said = {"genai-prices": told(genai, record), "litellm": told(by_litellm, record)}
        print(json.dumps(said))


main()
