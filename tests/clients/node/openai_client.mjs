// The official `openai` SDK, unmodified. Takes OPENAI_BASE_URL and OPENAI_API_KEY.
// One JSON line per case, on standard output: what the SDK made of the answer.

import OpenAI from "openai";
import { VERSION as version } from "openai/version";

const MODEL = "gpt-5-mini";
const EMBEDDING_MODEL = "text-embedding-3-small";
// A control of the built-in simulator; any other provider ignores the header.
const SIMULATE = "x-simulate";
const QUESTION = [{ role: "user", content: "Say something – naïvely, in 東京. 🦀" }];

const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
const TIME = {
  type: "object",
  properties: { zone: { type: "string", enum: ["Europe/Berlin", "Asia/Tokyo"] } },
  required: ["zone"],
  additionalProperties: false,
};
const TOOLS = [
  { type: "function", function: { name: "weather", parameters: WEATHER } },
  { type: "function", function: { name: "time", parameters: TIME } },
];
const RESPONSES_TOOLS = [
  { type: "function", name: "weather", parameters: WEATHER, strict: true },
  { type: "function", name: "time", parameters: TIME, strict: true },
];

const controls = process.env.TOLLGATE_TEST_CONTROLS;
const defaultHeaders = controls ? { [SIMULATE]: controls } : {};
const client = new OpenAI({ maxRetries: 0, defaultHeaders });

async function chatPlain() {
  const answer = await client.chat.completions.create({ model: MODEL, messages: QUESTION });
  const [choice] = answer.choices;
  return {
    id: answer.id,
    model: answer.model,
    text: choice.message.content,
    stop: choice.finish_reason,
    usage: answer.usage,
    request_id: answer._request_id,
  };
}

async function chatStream(more = {}) {
  const stream = await client.chat.completions.create({
    model: MODEL,
    messages: QUESTION,
    stream: true,
    ...more,
  });
  const seen = { model: null, text: "", stop: null, usage: null, chunks: 0, tool_calls: [] };
  for await (const chunk of stream) {
    seen.chunks += 1;
    seen.model = chunk.model;
    seen.usage = chunk.usage ?? seen.usage;
    for (const { delta, finish_reason } of chunk.choices) {
      seen.text += delta.content ?? "";
      seen.stop = finish_reason ?? seen.stop;
      for (const part of delta.tool_calls ?? []) {
        const call = (seen.tool_calls[part.index] ??= { name: "", arguments: "" });
        call.name += part.function.name ?? "";
        call.arguments += part.function.arguments ?? "";
      }
    }
  }
  return seen;
}

async function chatTools() {
  const answer = await client.chat.completions.create({
    model: MODEL,
    messages: QUESTION,
    tools: TOOLS,
  });
  const { message, finish_reason } = answer.choices[0];
  const results = message.tool_calls.map((it) => ({
    role: "tool",
    tool_call_id: it.id,
    content: "sunny",
  }));
  const final = await client.chat.completions.create({
    model: MODEL,
    messages: [...QUESTION, message, ...results],
    tools: TOOLS,
  });
  return {
    stop: finish_reason,
    tool_calls: message.tool_calls.map((it) => ({
      name: it.function.name,
      arguments: it.function.arguments,
    })),
    usage: answer.usage,
    text: final.choices[0].message.content,
  };
}

async function responsesPlain() {
  const answer = await client.responses.create({ model: MODEL, input: "Say something." });
  return {
    id: answer.id,
    model: answer.model,
    text: answer.output_text,
    stop: answer.status,
    usage: answer.usage,
  };
}

async function responsesStream(more = { reasoning: { summary: "auto" } }) {
  const events = [];
  const numbers = [];
  let text = "";
  const stream = client.responses.stream({ model: MODEL, input: "Say something.", ...more });
  for await (const event of stream) {
    events.push(event.type);
    numbers.push(event.sequence_number);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  const final = await stream.finalResponse();
  const calls = final.output.filter((it) => it.type === "function_call");
  // Only answers that came whole have `output_text` here.
  const parts = final.output.flatMap((it) => (it.type === "message" ? it.content : []));
  return {
    model: final.model,
    text,
    final_text: parts.map((it) => it.text).join(""),
    stop: final.status,
    usage: final.usage,
    events: [...new Set(events)],
    in_order: numbers.every((number, index) => number === index),
    tool_calls: calls.map((it) => ({ name: it.name, arguments: it.arguments })),
  };
}

// The SDK asks for base64 by itself and decodes it.
async function embeddings() {
  const input = ["one", "two", "東京"];
  const answer = await client.embeddings.create({ model: EMBEDDING_MODEL, input });
  return {
    model: answer.model,
    usage: answer.usage,
    dimensions: answer.data.map((it) => it.embedding.length),
    length: answer.data[0].embedding.reduce((sum, it) => sum + it * it, 0),
  };
}

async function models() {
  const all = [];
  for await (const model of client.models.list()) all.push(model.id);
  return { models: all, one: (await client.models.retrieve(MODEL)).id };
}

async function refused(control, more = {}) {
  const answer = await client.chat.completions.create(
    { model: MODEL, messages: QUESTION, ...more },
    { headers: { [SIMULATE]: control } },
  );
  if (more.stream) for await (const _ of answer);
  return {};
}

async function withoutV1() {
  // The usual mistake: a base URL without /v1.
  const other = new OpenAI({ maxRetries: 0, baseURL: client.baseURL.replace(/\/v1$/, "") });
  await other.chat.completions.create({ model: MODEL, messages: QUESTION });
  return {};
}

const USAGE = { stream_options: { include_usage: true } };
const CASES = {
  chat_plain: chatPlain,
  chat_stream: () => chatStream(),
  chat_stream_usage: () => chatStream(USAGE),
  chat_tools: chatTools,
  chat_tools_stream: () => chatStream({ tools: TOOLS, ...USAGE }),
  responses_plain: responsesPlain,
  responses_stream: () => responsesStream(),
  responses_tools_stream: () => responsesStream({ tools: RESPONSES_TOOLS }),
  embeddings,
  models,
  error_400: () => client.chat.completions.create({ model: MODEL, messages: [] }),
  error_401: () => refused("status=401"),
  error_403: () => refused("status=403"),
  error_404: () => client.chat.completions.create({ model: "gpt-0", messages: QUESTION }),
  error_429: () => refused("status=429,retry-after=2"),
  error_500: () => refused("status=500"),
  error_503: () => refused("status=503"),
  error_html: () => refused("status=502,html"),
  error_midstream: () => refused("error_midstream", { stream: true }),
  broken_stream: () => refused("break_after=900", { stream: true }),
};

// Asked for by name only: a gateway answers these itself.
const WRONG = {
  no_key: () =>
    client.chat.completions.create(
      { model: MODEL, messages: QUESTION },
      { headers: { Authorization: null } },
    ),
  unknown_path: withoutV1,
  oversized: () =>
    client.chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "x".repeat(65 << 20) }],
    }),
  no_object: () => client.post("/chat/completions", { body: [1] }),
};

function describe(error) {
  return {
    error: error.constructor.name,
    status: error.status ?? null,
    message: error.message,
    code: error.code ?? null,
    type: error.type ?? null,
    request_id: error.requestID ?? null,
  };
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CASES);
for (const name of wanted) {
  let line = { client: "openai-node", version, case: name, pid: process.pid };
  try {
    const run = { ...CASES, ...WRONG }[name];
    if (!run) throw new RangeError(`unknown case ${name}`);
    line = { ...line, ...(await run()), error: null };
  } catch (error) {
    // A stream that breaks off is not wrapped by this SDK: fetch raises a TypeError "terminated".
    const expected = error instanceof OpenAI.OpenAIError || error.message === "terminated";
    if (!expected) {
      console.error(error);
      process.exitCode = 1;
    }
    line = { ...line, ...describe(error) };
  }
  console.log(JSON.stringify(line));
}
