// Vercel's `ai`, unmodified, with its providers for OpenAI, Anthropic and Gemini. Takes
// OPENAI_BASE_URL, ANTHROPIC_BASE_URL and GOOGLE_GEMINI_BASE_URL as the official SDKs do.
// One JSON line per case, on standard output: what the SDK made of the answer.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const { env } = process;
const openai = createOpenAI({ baseURL: env.OPENAI_BASE_URL, apiKey: env.OPENAI_API_KEY });
const anthropic = createAnthropic({
  baseURL: `${env.ANTHROPIC_BASE_URL}/v1`,
  apiKey: env.ANTHROPIC_API_KEY,
});
const google = createGoogleGenerativeAI({
  baseURL: `${env.GOOGLE_GEMINI_BASE_URL}/v1beta`,
  apiKey: env.GEMINI_API_KEY,
});
// By the first word of a case's name: how a model is made, and which.
const FORMATS = {
  chat: [openai.chat, "gpt-5-mini"],
  responses: [openai.responses, "gpt-5-mini"],
  messages: [anthropic, "claude-sonnet-4-5"],
  gemini: [google, "gemini-2.5-flash"],
};

const prompt = "Say something – naïvely, in 東京. 🦀";
// The smallest picture: one transparent pixel.
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg" +
  "gg==";
const FORECAST = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "array", items: { type: "integer" } },
    sunny: { type: "boolean" },
  },
  required: ["city", "days", "sunny"],
  additionalProperties: false,
};
const object = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const tools = {
  weather: tool({
    inputSchema: jsonSchema(object({ city: { type: "string" }, days: { type: "integer" } })),
    execute: () => "sunny",
  }),
  time: tool({
    inputSchema: jsonSchema(object({ zone: { type: "string", enum: ["Europe/Berlin"] } })),
    execute: () => "sunny",
  }),
};

function described(answer) {
  const calls = answer.steps.flatMap((step) => step.toolCalls);
  return {
    text: answer.text,
    stop: answer.finishReason,
    tool_calls: calls.map((it) => ({ name: it.toolName, arguments: it.input })),
  };
}

const CASES = {
  text: async (model) => described(await generateText({ model, prompt, maxRetries: 0 })),
  stream: async (model) => {
    const stream = streamText({ model, prompt, maxRetries: 0 });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    return { text, final_text: await stream.text, stop: await stream.finishReason };
  },
  // The SDK runs the tools and asks again with their results.
  tools: async (model) =>
    described(await generateText({ model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0 })),
  tools_stream: async (model) => {
    const stream = streamText({ model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0 });
    const text = await stream.text;
    const steps = await stream.steps;
    return described({ text, steps, finishReason: await stream.finishReason });
  },
  object: async (model) => {
    const schema = jsonSchema(FORECAST);
    return { parsed: (await generateObject({ model, prompt, schema, maxRetries: 0 })).object };
  },
  image: async (model) => {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "image", image: PNG, mediaType: "image/png" },
    ];
    const messages = [{ role: "user", content }];
    return described(await generateText({ model, messages, maxRetries: 0 }));
  },
};
// With a control of the simulator behind the model's name.
const REFUSED = {
  error_401: "status=401",
  error_429: "status=429+retry-after=2",
  error_500: "status=500",
};

for (const name of process.argv.slice(2)) {
  const [format, ...rest] = name.split("_");
  const [make, id] = FORMATS[format];
  const run = rest.join("_");
  let line = { client: "ai", case: name, pid: process.pid };
  try {
    const control = REFUSED[run];
    const answer = await CASES[control ? "text" : run](make(control ? `${id}+${control}` : id));
    line = { ...line, ...answer, error: null };
  } catch (error) {
    if (!APICallError.isInstance(error)) {
      console.error(error);
      process.exitCode = 1;
    }
    const headers = error.responseHeaders ?? {};
    const { name: kind, statusCode: status, message } = error;
    line = { ...line, error: kind, status, message, retry_after: headers["retry-after"] ?? null };
  }
  console.log(JSON.stringify(line));
}
