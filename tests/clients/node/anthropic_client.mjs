// The official `@anthropic-ai/sdk`, unmodified. Takes ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY.

import Anthropic from "@anthropic-ai/sdk";
import { VERSION as version } from "@anthropic-ai/sdk/version";

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

const MODEL = "claude-sonnet-4-5";
const MESSAGES = [{ role: "user", content: QUESTION }];
const TOOLS = [
  { name: "weather", input_schema: WEATHER },
  { name: "time", input_schema: TIME },
];

const client = new Anthropic({ maxRetries: 0, defaultHeaders: HEADERS });

function described(answer) {
  const texts = answer.content.filter((it) => it.type === "text").map((it) => it.text);
  const calls = answer.content.filter((it) => it.type === "tool_use");
  return {
    id: answer.id,
    model: answer.model,
    text: texts.join(""),
    blocks: answer.content.map((it) => it.type),
    stop: answer.stop_reason,
    usage: answer.usage,
    tool_calls: calls.map((it) => ({ name: it.name, arguments: it.input })),
  };
}

const ask = (more, headers) =>
  client.messages.create(
    { model: MODEL, max_tokens: 2048, messages: MESSAGES, ...more },
    { headers },
  );
const create = async (more = {}, headers) => described(await ask(more, headers));

async function stream(more = {}, headers) {
  const asked = { model: MODEL, max_tokens: 2048, messages: MESSAGES, ...more };
  const events = [];
  let text = "";
  const answer = client.messages.stream(asked, { headers });
  for await (const event of answer) {
    events.push(event.type);
    if (event.delta?.type === "text_delta") text += event.delta.text;
  }
  const final = described(await answer.finalMessage());
  return { ...final, streamed_text: text, events: [...new Set(events)] };
}

const isUse = (it) => it.type === "tool_use";
const result = (it) => ({ type: "tool_result", tool_use_id: it.id, content: "sunny" });

async function tools() {
  const first = await ask({ tools: TOOLS });
  const messages = [
    ...MESSAGES,
    { role: "assistant", content: first.content },
    { role: "user", content: first.content.filter(isUse).map(result) },
  ];
  const final = await create({ tools: TOOLS, messages });
  return { ...described(first), text: final.text };
}

// Two questions, each answered with the help of two tools called at once.
async function turns(more = {}) {
  const messages = [{ role: "user", content: "How is the weather?" }];
  const seen = { texts: [], tool_calls: [], thoughts: [], usage: null };
  for (const question of ["And tomorrow?", null]) {
    for (let round = 0; round < 2; round += 1) {
      const answer = await ask({ system: "Be brief.", tools: TOOLS, messages, ...more });
      messages.push({ role: "assistant", content: answer.content });
      seen.usage = answer.usage;
      for (const it of answer.content) {
        if (it.type === "text" && it.text) seen.texts.push(it.text);
        if (it.type === "thinking") seen.thoughts.push(it.thinking);
        if (isUse(it)) seen.tool_calls.push({ name: it.name, arguments: it.input });
      }
      const results = answer.content.filter(isUse).map(result);
      if (results.length) messages.push({ role: "user", content: results });
    }
    if (question) messages.push({ role: "user", content: question });
  }
  return seen;
}

function image() {
  const source = { type: "base64", media_type: "image/png", data: PNG };
  const content = [{ type: "text", text: "What is this?" }, { type: "image", source }];
  return create({ messages: [{ role: "user", content }] });
}

async function largeBodies() {
  const [model, headers] = simulating(MODEL, "huge=10485760");
  const messages = [{ role: "user", content: large() }];
  // Without a time this SDK refuses to wait for so long an answer.
  const options = { headers, timeout: 600_000 };
  const answer = await client.messages.create({ model, max_tokens: 8_000_000, messages }, options);
  return { bytes: byteLength(answer.content[0].text) };
}

// Goes away in the middle of a stream that would never end.
async function leaves() {
  const [model, headers] = simulating(MODEL, "hang=2000");
  let text = "";
  const asked = { model, max_tokens: 2048, messages: MESSAGES, stream: true };
  for await (const event of await client.messages.create(asked, { headers })) {
    text += event.delta?.text ?? "";
    if (text.length > 5) break;
  }
  return { began: text.length > 5 };
}

const many = () =>
  allAtOnce(async (begin) => {
    let text = "";
    const asked = { model: MODEL, max_tokens: 2048, messages: MESSAGES, stream: true };
    for await (const event of await client.messages.create(asked)) {
      const piece = event.delta?.text ?? "";
      if (!text && piece) await begin();
      text += piece;
    }
    return text;
  });

async function countTokens() {
  const asked = { model: MODEL, messages: MESSAGES, tools: TOOLS };
  return { input_tokens: (await client.messages.countTokens(asked)).input_tokens };
}

async function models() {
  const all = [];
  for await (const model of client.models.list()) all.push(model.id);
  return { models: all, one: (await client.models.retrieve("claude-haiku-4-5")).id };
}

function refused(control) {
  const [model, headers] = simulating(MODEL, control);
  return create({ model }, headers);
}

function refusedStream(control) {
  const [model, headers] = simulating(MODEL, control);
  return stream({ model }, headers);
}

const THINKING = { thinking: { type: "enabled", budget_tokens: 1024 } };
const CASES = {
  plain: create,
  stream: () => stream(),
  tools,
  tools_stream: () => stream({ tools: TOOLS }),
  thinking: () => stream(THINKING),
  turns: () => turns(),
  thinking_turns: () => turns(THINKING),
  image,
  structured: () => create({ output_config: { format: { type: "json_schema", schema: FORECAST } } }),
  max_tokens: () => create({ max_tokens: 5 }),
  count_tokens: countTokens,
  models,
  error_400: () => create({ messages: [] }),
  error_401: () => refused("status=401"),
  error_403: () => refused("status=403"),
  error_404: () => create({ model: "claude-0" }),
  error_413: () => refused("status=413"),
  error_429: () => refused("status=429,retry-after=2"),
  error_500: () => refused("status=500"),
  error_529: () => refused("status=529"),
  error_midstream: () => refusedStream("error_midstream"),
  broken_stream: () => refusedStream("break_after=900"),
};

function describe(error) {
  if (!(error instanceof Anthropic.AnthropicError)) return null;
  return {
    status: error.status ?? null,
    message: error.message,
    type: error.type ?? null,
    request_id: error.requestID ?? null,
    retry_after: error.headers?.get("retry-after") ?? null,
  };
}

await run(
  { client: "anthropic-node", version },
  CASES,
  { large: largeBodies, leaves, many },
  describe,
);
