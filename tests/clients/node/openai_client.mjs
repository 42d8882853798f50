// The official `openai` SDK, unmodified. Takes OPENAI_BASE_URL and OPENAI_API_KEY.

import OpenAI from "openai";
import { VERSION as version } from "openai/version";

import {
  allAtOnce,
  byteLength,
  FORECAST,
  HEADERS,
  large,
  PNG,
  QUESTION,
  run,
  simulating,
  TIME,
  WEATHER,
} from "./cases.mjs";

const MODEL = "gpt-5-mini";
const EMBEDDING_MODEL = "text-embedding-3-small";
const MESSAGES = [{ role: "user", content: QUESTION }];
const TOOLS = [
  { type: "function", function: { name: "weather", parameters: WEATHER } },
  { type: "function", function: { name: "time", parameters: TIME } },
];
const RESPONSES_TOOLS = [
  { type: "function", name: "weather", parameters: WEATHER, strict: true },
  { type: "function", name: "time", parameters: TIME, strict: true },
];
const PICTURE = `data:image/png;base64,${PNG}`;

const client = new OpenAI({ maxRetries: 0, defaultHeaders: HEADERS });

async function chatPlain() {
  const answer = await client.chat.completions.create({ model: MODEL, messages: MESSAGES });
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
    messages: MESSAGES,
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
    messages: MESSAGES,
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
    messages: [...MESSAGES, message, ...results],
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

// Two questions, each answered with the help of two tools called at once.
async function chatTurns() {
  const messages = [
    { role: "developer", content: "Be brief." },
    { role: "user", content: "How is the weather?" },
  ];
  const seen = { texts: [], tool_calls: [], usage: null };
  for (const question of ["And tomorrow?", null]) {
    for (let round = 0; round < 2; round += 1) {
      const answer = await client.chat.completions.create({ model: MODEL, messages, tools: TOOLS });
      const { message } = answer.choices[0];
      messages.push(message);
      seen.usage = answer.usage;
      if (message.content) seen.texts.push(message.content);
      for (const { id, function: call } of message.tool_calls ?? []) {
        seen.tool_calls.push({ name: call.name, arguments: call.arguments });
        messages.push({ role: "tool", tool_call_id: id, content: "sunny" });
      }
    }
    if (question) messages.push({ role: "user", content: question });
  }
  return seen;
}

async function chatImage() {
  const content = [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: PICTURE } },
  ];
  const messages = [{ role: "user", content }];
  const answer = await client.chat.completions.create({ model: MODEL, messages });
  return { text: answer.choices[0].message.content, usage: answer.usage };
}

async function chatStructured() {
  const answer = await client.chat.completions.parse({
    model: MODEL,
    messages: MESSAGES,
    response_format: {
      type: "json_schema",
      json_schema: { name: "forecast", strict: true, schema: FORECAST },
    },
  });
  return { parsed: JSON.parse(answer.choices[0].message.content), usage: answer.usage };
}

// Goes away in the middle of a stream that would never end.
async function chatLeaves() {
  const [model, headers] = simulating(MODEL, "hang=3000");
  const stream = await client.chat.completions.create(
    { model, messages: MESSAGES, stream: true },
    { headers },
  );
  let text = "";
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    if (text.length > 5) break;
  }
  return { began: text.length > 5 };
}

const chatMany = () =>
  allAtOnce(async (begin) => {
    const asked = { model: MODEL, messages: MESSAGES, stream: true };
    let text = "";
    for await (const chunk of await client.chat.completions.create(asked)) {
      const piece = chunk.choices[0]?.delta.content ?? "";
      if (!text && piece) await begin();
      text += piece;
    }
    return text;
  });

async function chatLarge() {
  const [model, headers] = simulating(MODEL, "huge=10485760");
  const messages = [{ role: "user", content: large() }];
  const answer = await client.chat.completions.create(
    { model, messages, max_completion_tokens: 8_000_000 },
    { headers },
  );
  return { bytes: byteLength(answer.choices[0].message.content) };
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

// Two questions, each answered with the help of two tools called at once; nothing is stored.
async function responsesTurns() {
  const input = [{ role: "user", content: "How is the weather?" }];
  const seen = { texts: [], tool_calls: [], usage: null };
  for (const question of ["And tomorrow?", null]) {
    for (let round = 0; round < 2; round += 1) {
      const answer = await client.responses.create({
        model: MODEL,
        instructions: "Be brief.",
        input,
        tools: RESPONSES_TOOLS,
        reasoning: { effort: "high", summary: "auto" },
        include: ["reasoning.encrypted_content"],
        store: false,
      });
      input.push(...answer.output);
      seen.usage = answer.usage;
      if (answer.output_text) seen.texts.push(answer.output_text);
      for (const call of answer.output.filter((it) => it.type === "function_call")) {
        seen.tool_calls.push({ name: call.name, arguments: call.arguments });
        const output = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
        input.push(output);
      }
    }
    if (question) input.push({ role: "user", content: question });
  }
  return seen;
}

async function responsesImage() {
  const content = [
    { type: "input_text", text: "What is this?" },
    { type: "input_image", image_url: PICTURE, detail: "auto" },
  ];
  const answer = await client.responses.create({
    model: MODEL,
    input: [{ role: "user", content }],
  });
  return { text: answer.output_text, usage: answer.usage };
}

async function responsesStructured() {
  const format = { type: "json_schema", name: "forecast", strict: true, schema: FORECAST };
  const answer = await client.responses.create({ model: MODEL, input: "Say it.", text: { format } });
  return { text: answer.output_text, usage: answer.usage };
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
  const [model, headers] = simulating(MODEL, control);
  const answer = await client.chat.completions.create(
    { model, messages: MESSAGES, ...more },
    { headers },
  );
  if (more.stream) for await (const _ of answer);
  return {};
}

async function refusedResponse(control) {
  const [model, headers] = simulating(MODEL, control);
  await client.responses.create({ model, input: "Say something." }, { headers });
  return {};
}

async function withoutV1() {
  // The usual mistake: a base URL without /v1.
  const other = new OpenAI({ maxRetries: 0, baseURL: client.baseURL.replace(/\/v1$/, "") });
  await other.chat.completions.create({ model: MODEL, messages: MESSAGES });
  return {};
}

const USAGE = { stream_options: { include_usage: true } };
const CASES = {
  chat_plain: chatPlain,
  chat_stream: () => chatStream(),
  chat_stream_usage: () => chatStream(USAGE),
  chat_tools: chatTools,
  chat_tools_stream: () => chatStream({ tools: TOOLS, ...USAGE }),
  chat_turns: chatTurns,
  chat_image: chatImage,
  chat_structured: chatStructured,
  responses_plain: responsesPlain,
  responses_stream: () => responsesStream(),
  responses_tools_stream: () => responsesStream({ tools: RESPONSES_TOOLS }),
  responses_turns: responsesTurns,
  responses_image: responsesImage,
  responses_structured: responsesStructured,
  embeddings,
  models,
  error_400: () => client.chat.completions.create({ model: MODEL, messages: [] }),
  error_401: () => refused("status=401"),
  error_403: () => refused("status=403"),
  error_404: () => client.chat.completions.create({ model: "gpt-0", messages: MESSAGES }),
  error_429: () => refused("status=429,retry-after=2"),
  error_500: () => refused("status=500"),
  error_529: () => refused("status=529"),
  error_responses_429: () => refusedResponse("status=429,retry-after=2"),
  error_503: () => refused("status=503"),
  error_html: () => refused("status=502,html"),
  error_midstream: () => refused("error_midstream", { stream: true }),
  broken_stream: () => refused("break_after=900", { stream: true }),
};

// Asked for by name only.
const BY_NAME = {
  large: chatLarge,
  leaves: chatLeaves,
  many: chatMany,
  // A gateway answers the rest itself.
  no_key: () =>
    client.chat.completions.create(
      { model: MODEL, messages: MESSAGES },
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
  // A stream that breaks off is not wrapped by this SDK: fetch raises a TypeError "terminated".
  if (!(error instanceof OpenAI.OpenAIError) && error.message !== "terminated") return null;
  return {
    status: error.status ?? null,
    message: error.message,
    code: error.code ?? null,
    type: error.type ?? null,
    request_id: error.requestID ?? null,
    retry_after: error.headers?.get("retry-after") ?? null,
  };
}

await run({ client: "openai-node", version }, CASES, BY_NAME, describe);
