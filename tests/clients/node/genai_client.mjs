// The official `@google/genai`, unmodified. Takes GOOGLE_GEMINI_BASE_URL and GEMINI_API_KEY.

import { readFile } from "node:fs/promises";

import { ApiError, GoogleGenAI } from "@google/genai";

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

const MODEL = "gemini-2.5-flash";
const TOOLS = [
  {
    functionDeclarations: [
      { name: "weather", parametersJsonSchema: WEATHER },
      { name: "time", parametersJsonSchema: TIME },
    ],
  },
];

// The package tells its version in no other way.
const { version } = JSON.parse(
  await readFile(new URL("./node_modules/@google/genai/package.json", import.meta.url)),
);

const apiKey = process.env.GEMINI_API_KEY;
const client = new GoogleGenAI({ apiKey, httpOptions: { headers: HEADERS } });

const isText = (it) => it.text && !it.thought;
const isThought = (it) => it.text && it.thought;
const call = ({ name, args }) => ({ name, arguments: args });

function described(answer) {
  const [candidate] = answer.candidates;
  const parts = candidate.content.parts;
  const joined = (wanted) => parts.filter(wanted).map((it) => it.text).join("");
  return {
    model: answer.modelVersion,
    text: joined(isText),
    thoughts: joined(isThought),
    stop: candidate.finishReason,
    usage: answer.usageMetadata,
    tool_calls: parts.filter((it) => it.functionCall).map((it) => call(it.functionCall)),
  };
}

function asked({ control, model = MODEL, contents = QUESTION, ...config }) {
  const [name, headers] = control ? simulating(model, control) : [model, undefined];
  return { model: name, contents, config: { ...config, httpOptions: { headers } } };
}

const generate = async (more = {}) => described(await client.models.generateContent(asked(more)));

async function stream(more = {}) {
  const seen = { text: "", thoughts: "", stop: null, usage: null, chunks: 0, tool_calls: [] };
  for await (const chunk of await client.models.generateContentStream(asked(more))) {
    seen.chunks += 1;
    seen.model = chunk.modelVersion;
    seen.usage = chunk.usageMetadata ?? seen.usage;
    for (const { finishReason, content } of chunk.candidates ?? []) {
      seen.stop = finishReason ?? seen.stop;
      for (const part of content?.parts ?? []) {
        if (part.functionCall) seen.tool_calls.push(call(part.functionCall));
        else if (part.thought) seen.thoughts += part.text;
        else seen.text += part.text ?? "";
      }
    }
  }
  return seen;
}

function results(answer) {
  return answer.functionCalls.map(({ id, name }) => ({
    functionResponse: { id, name, response: { result: "sunny" } },
  }));
}

async function tools() {
  const first = await client.models.generateContent(asked({ tools: TOOLS }));
  const contents = [
    { role: "user", parts: [{ text: QUESTION }] },
    first.candidates[0].content,
    { role: "user", parts: results(first) },
  ];
  const final = await generate({ contents, tools: TOOLS });
  return { ...described(first), text: final.text };
}

// Two questions, each answered with the help of two tools called at once.
async function turns(more = {}) {
  const contents = [{ role: "user", parts: [{ text: "How is the weather?" }] }];
  const seen = { texts: [], tool_calls: [], thoughts: [], usage: null };
  for (const question of ["And tomorrow?", null]) {
    for (let round = 0; round < 2; round += 1) {
      const more_ = { contents, systemInstruction: "Be brief.", tools: TOOLS, ...more };
      const answer = await client.models.generateContent(asked(more_));
      const { content } = answer.candidates[0];
      contents.push(content);
      seen.usage = answer.usageMetadata;
      seen.texts.push(...content.parts.filter(isText).map((it) => it.text));
      seen.thoughts.push(...content.parts.filter(isThought).map((it) => it.text));
      if (answer.functionCalls) {
        seen.tool_calls.push(...answer.functionCalls.map(call));
        contents.push({ role: "user", parts: results(answer) });
      }
    }
    if (question) contents.push({ role: "user", parts: [{ text: question }] });
  }
  return seen;
}

function image() {
  const picture = { inlineData: { mimeType: "image/png", data: PNG } };
  return generate({ contents: [{ role: "user", parts: [{ text: "What is this?" }, picture] }] });
}

async function largeBodies() {
  const more = { control: "huge=10485760", contents: large(), maxOutputTokens: 8_000_000 };
  const answer = await client.models.generateContent(asked(more));
  return { bytes: byteLength(answer.text) };
}

// Goes away in the middle of a stream that would never end.
async function leaves() {
  const left = new AbortController();
  const more = { control: "hang=2000", abortSignal: left.signal };
  let text = "";
  for await (const chunk of await client.models.generateContentStream(asked(more))) {
    text += chunk.text ?? "";
    if (text.length > 5) break;
  }
  left.abort();
  return { began: text.length > 5 };
}

const many = () =>
  allAtOnce(async (begin) => {
    let text = "";
    for await (const chunk of await client.models.generateContentStream(asked({}))) {
      if (!text && chunk.text) await begin();
      text += chunk.text ?? "";
    }
    return text;
  });

async function embeddings() {
  const answer = await client.models.embedContent({
    model: "gemini-embedding-001",
    contents: ["one", "two"],
    config: { outputDimensionality: 8 },
  });
  return { dimensions: answer.embeddings.map((it) => it.values.length) };
}

async function countTokens() {
  const counted = await client.models.countTokens({ model: MODEL, contents: QUESTION });
  return { input_tokens: counted.totalTokens };
}

async function models() {
  const all = [];
  for await (const model of await client.models.list()) all.push(model.name);
  return { models: all, one: (await client.models.get({ model: MODEL })).name };
}

const THINKING = { thinkingConfig: { includeThoughts: true } };
const CASES = {
  plain: () => generate(),
  stream: () => stream(),
  tools,
  tools_stream: () => stream({ tools: TOOLS }),
  turns: () => turns(),
  thinking: () => stream(THINKING),
  thinking_turns: () => turns(THINKING),
  image,
  structured: () =>
    generate({ responseMimeType: "application/json", responseJsonSchema: FORECAST }),
  max_tokens: () => generate({ maxOutputTokens: 5 }),
  count_tokens: countTokens,
  embeddings,
  models,
  error_400: () => generate({ control: "status=400" }),
  error_401: () => generate({ control: "status=401" }),
  error_403: () => generate({ control: "status=403" }),
  error_404: () => generate({ model: "gemini-0" }),
  error_429: () => generate({ control: "status=429,retry-after=2" }),
  error_500: () => generate({ control: "status=500" }),
  error_503: () => generate({ control: "status=503" }),
  error_529: () => generate({ control: "status=529" }),
  error_midstream: () => stream({ control: "error_midstream" }),
  broken_stream: () => stream({ control: "break_after=900" }),
};

function describe(error) {
  // A stream that breaks off is not wrapped by this SDK.
  const isOwn = error instanceof ApiError || error.message.startsWith("exception TypeError");
  if (!isOwn && error.message !== "terminated") return null;
  return { status: error.status ?? null, message: error.message };
}

await run({ client: "google-genai-node", version }, CASES, { large: largeBodies, leaves, many }, describe);
