import type { ModelView, ProviderView, RoutingView, TargetView, TrialView } from "@/api/schema";
import { aCall, NOON_MS } from "./fixtures";

/** A target that answers well. */
export function aTarget(provider: string, over: Partial<TargetView> = {}): TargetView {
  return {
    provider,
    model: "gpt-5-mini",
    weight: 1,
    unavailable: null,
    clients_key: false,
    failures: 0,
    cools_for_ms: null,
    under_way: 0,
    latency_us: 412_000,
    ...over,
  };
}

/** Models with targets of every state. */
export const MODELS: ModelView[] = [
  {
    name: "fast",
    strategy: "fallback",
    targets: [
      aTarget("openai", { under_way: 3 }),
      aTarget("anthropic", { model: "claude-haiku-4-5", failures: 3, cools_for_ms: 14_300 }),
      aTarget("ollama", { model: "llama3.2", latency_us: null }),
      aTarget("groq", { model: "llama-3.3-70b-versatile", clients_key: true }),
    ],
  },
  {
    name: "claude-sonnet-4-5",
    strategy: "weighted",
    targets: [
      aTarget("google", { model: "gemini-2.5-pro", weight: 3, latency_us: 2_310_000 }),
      aTarget("mistral", {
        model: "mistral-medium-latest",
        latency_us: null,
        unavailable:
          "provider mistral: the keyring has no `mistral` (store it with `tollgate providers login mistral`)",
      }),
    ],
  },
];

/** A provider of the catalogue that nobody has called. */
export function aProvider(id: string, over: Partial<ProviderView> = {}): ProviderView {
  return {
    id,
    name: id,
    in_catalogue: true,
    configured: false,
    formats: [{ format: "openai-chat", base_url: `https://api.${id}.com/v1` }],
    auth: "bearer",
    credential: null,
    env_set: null,
    problem: null,
    local: null,
    answered_at_ms: null,
    last_error: null,
    ...over,
  };
}

/** Providers in every state. */
export const PROVIDERS: ProviderView[] = [
  aProvider("openai", {
    name: "OpenAI",
    configured: true,
    credential: "from the keyring (openai)",
    formats: ["openai-chat", "openai-responses", "openai-embeddings"].map((format) => ({
      format,
      base_url: "https://api.openai.com/v1",
    })),
    answered_at_ms: NOON_MS,
  }),
  aProvider("anthropic", {
    name: "Anthropic",
    formats: [{ format: "anthropic-messages", base_url: "https://api.anthropic.com/v1" }],
    auth: "header:x-api-key",
    answered_at_ms: NOON_MS - 60_000,
    last_error: { at_ms: NOON_MS, status: 529, code: null, message: "Overloaded" },
  }),
  aProvider("mistral", {
    name: "Mistral",
    configured: true,
    credential: "from the keyring (mistral)",
    problem: "the keyring has no `mistral` (store it with `tollgate providers login mistral`)",
  }),
  aProvider("groq", { name: "Groq", env_set: "GROQ_API_KEY" }),
  aProvider("azure", {
    name: "Azure OpenAI",
    problem: "its address has a part that only you know: see `parameters`",
    auth: "entra",
    formats: [{ format: "openai-chat", base_url: "https://{resource}.openai.azure.com/openai/v1" }],
  }),
  aProvider("cerebras", { name: "Cerebras" }),
  aProvider("ollama", {
    name: "Ollama",
    auth: "none",
    formats: [{ format: "openai-chat", base_url: "http://127.0.0.1:11434/v1" }],
    local: { running: true, models: ["llama3.2:3b", "qwen3:8b"], problem: null },
  }),
  aProvider("vllm", {
    name: "vLLM",
    auth: "none",
    local: { running: false, models: [], problem: "no connection: connection refused" },
  }),
  aProvider("lab", {
    in_catalogue: false,
    configured: true,
    credential: "from $LAB_KEY",
    answered_at_ms: NOON_MS - 7_200_000,
  }),
];

/** The trial of a provider that went well. */
export function aTrial(provider: string, over: Partial<TrialView> = {}): TrialView {
  const found = [
    ["configured", "openai-chat at https://api.openai.com/v1"],
    ["reached", "connected in 31 ms"],
    ["tls", "the certificate is accepted"],
    ["credential", "accepted"],
    ["answered", "after 604 ms"],
    ["usage", "9 tokens in, 16 out"],
  ];
  return {
    provider,
    model: "gpt-5-nano",
    format: "openai-chat",
    good: true,
    findings: found.map(([what = "", detail = ""]) => ({ what, state: "good", detail })),
    usage: { input: 9, output: 16 },
    cost_pico_usd: "6850000",
    call: aCall(1, { provider, model_asked: "gpt-5-nano", duration_us: 640_000 }),
    ...over,
  };
}

/** How a call was routed that failed over to a provider of another format. */
export function aRouting(over: Partial<RoutingView> = {}): RoutingView {
  const attempt = {
    model: "gpt-5-mini",
    translated_to: null,
    waited_us: 0,
    began_us: 1_300,
    took_us: 0,
    status: null,
    error_code: null,
    why: null,
    skipped: false,
  };
  return {
    rules: [],
    model: "fast",
    strategy: "fallback",
    attempts: [
      { ...attempt, provider: "groq", skipped: true, why: "it cools down for 12000 ms more" },
      { ...attempt, provider: "openai", took_us: 204_000, status: 503 },
      {
        ...attempt,
        provider: "openai",
        waited_us: 318_000,
        began_us: 523_000,
        took_us: 30_000_000,
        error_code: "timeout",
        why: "`api.openai.com` sent no head of an answer within 30 s",
      },
      {
        ...attempt,
        provider: "anthropic",
        model: "claude-haiku-4-5",
        translated_to: "anthropic-messages",
        began_us: 30_530_000,
        took_us: 402_000,
        status: 200,
      },
    ],
    request_losses: [
      { field: "logprobs", why: "has no counterpart" },
      {
        field: "messages[2].content[0].image_url.detail",
        why: "the provider chooses the detail of images itself",
      },
    ],
    answer_losses: [{ field: "", why: "the answer was cut short" }],
    ...over,
  };
}
