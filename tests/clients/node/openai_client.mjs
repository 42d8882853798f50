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
// The smallest picture: one transparent pixel.
const PICTURE =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR" +
  "9awAAAABJRU5ErkJggg==";
// How many streams are open at once, each of them begun before any is read to its end.
const MANY = 200;

// A gateway that translates keeps the header to itself: it is then told by the model's name.
const inModel = process.env.TOLLGATE_TEST_CONTROLS_IN === "model";
function simulating(control) {
  if (inModel) return [[MODEL, ...control.split(",")].join("+"), {}];
  return [MODEL, { headers: { [SIMULATE]: control } }];
}

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
    messages: QUESTION,
    response_format: {
      type: "json_schema",
      json_schema: { name: "forecast", strict: true, schema: FORECAST },
    },
  });
  return { parsed: JSON.parse(answer.choices[0].message.content), usage: answer.usage };
}

// Goes away in the middle of a stream that would never end.
async function chatLeaves() {
  const [model, options] = simulating("hang=3000");
  const stream = await client.chat.completions.create(
    { model, messages: QUESTION, stream: true },
    options,
  );
  let text = "";
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    if (text.length > 5) break;
  }
  return { began: text.length > 5 };
}

async function chatMany() {
  let begun = 0;
  let release;
  const allBegun = new Promise((resolve) => {
    release = resolve;
  });
  const one = async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: QUESTION,
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) {
      const piece = chunk.choices[0]?.delta.content ?? "";
      if (!text && piece) {
        begun += 1;
        if (begun === MANY) release();
        await allBegun;
      }
      text += piece;
    }
    return text;
  };
  const texts = await Promise.all(Array.from({ length: MANY }, one));
  return { streams: texts.length, texts: [...new Set(texts)].sort() };
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
  const [model, options] = simulating(control);
  const answer = await client.chat.completions.create(
    { model, messages: QUESTION, ...more },
    options,
  );
  if (more.stream) for await (const _ of answer);
  return {};
}

async function refusedResponse(control) {
  const [model, options] = simulating(control);
  await client.responses.create({ model, input: "Say something." }, options);
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
  error_404: () => client.chat.completions.create({ model: "gpt-0", messages: QUESTION }),
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
  leaves: chatLeaves,
  many: chatMany,
  // A gateway answers the rest itself.
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
    retry_after: error.headers?.get("retry-after") ?? null,
  };
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CASES);
for (const name of wanted) {
  let line = { client: "openai-node", version, case: name, pid: process.pid };
  try {
    const run = { ...CASES, ...BY_NAME }[name];
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
