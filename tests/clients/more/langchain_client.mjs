// LangChain for Node, unmodified, with its parts for OpenAI, Anthropic and Gemini. Takes
// OPENAI_BASE_URL, ANTHROPIC_BASE_URL and GOOGLE_GEMINI_BASE_URL as the official SDKs do.

import { ChatAnthropic } from "@langchain/anthropic";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { ChatOpenAI } from "@langchain/openai";

import { FORECAST, PNG, QUESTION, run, TIME, WEATHER } from "../node/cases.mjs";

const { env } = process;
const tool = (name, parameters) => ({
  type: "function",
  function: { name, description: "Tells.", parameters },
});
const TOOLS = [tool("weather", WEATHER), tool("time", TIME)];

const openai = (name, more) =>
  new ChatOpenAI({
    model: `gpt-5-mini${name}`,
    maxRetries: 0,
    configuration: { baseURL: env.OPENAI_BASE_URL },
    ...more,
  });
// By the first word of a case's name.
const MODELS = {
  chat: (name) => openai(name, { streamUsage: true }),
  responses: (name) => openai(name, { useResponsesApi: true }),
  messages: (name) =>
    new ChatAnthropic({
      model: `claude-sonnet-4-5${name}`,
      maxRetries: 0,
      maxTokens: 2048,
      anthropicApiUrl: env.ANTHROPIC_BASE_URL,
    }),
  gemini: (name) =>
    new ChatGoogleGenerativeAI({
      model: `gemini-2.5-flash${name}`,
      maxRetries: 0,
      baseUrl: env.GOOGLE_GEMINI_BASE_URL,
      apiKey: env.GEMINI_API_KEY,
    }),
};

const described = (answer) => ({
  text: answer.text,
  tokens: [answer.usage_metadata.input_tokens, answer.usage_metadata.output_tokens],
});

const text = async (model) =>
  described(await model.invoke([new SystemMessage("Be brief."), new HumanMessage(QUESTION)]));

async function stream(model) {
  let whole;
  for await (const chunk of await model.stream(QUESTION)) whole = whole?.concat(chunk) ?? chunk;
  return described(whole);
}

// Two questions, each answered with the help of two tools called at once.
async function tools(unbound) {
  const model = unbound.bindTools(TOOLS);
  const messages = [new HumanMessage("How is the weather?")];
  const seen = { texts: [], tool_calls: [] };
  for (const question of ["And tomorrow?", null]) {
    for (let round = 0; round < 2; round += 1) {
      const answer = await model.invoke(messages);
      messages.push(answer);
      if (answer.text) seen.texts.push(answer.text);
      for (const { id, name, args } of answer.tool_calls) {
        seen.tool_calls.push({ name, arguments: args });
        messages.push(new ToolMessage({ content: "sunny", tool_call_id: id, name }));
      }
    }
    if (question) messages.push(new HumanMessage(question));
  }
  return seen;
}

async function structured(model) {
  const schema = { ...FORECAST, title: "Forecast", description: "A forecast." };
  const asked = model.withStructuredOutput(schema, { method: "jsonSchema", name: "forecast" });
  return { parsed: await asked.invoke(QUESTION) };
}

async function image(model) {
  const content = [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
  ];
  return described(await model.invoke([new HumanMessage({ content })]));
}

// With a control of the simulator behind the model's name.
const REFUSED = {
  error_401: "+status=401",
  error_429: "+status=429+retry-after=2",
  error_500: "+status=500",
};

const cases = {};
for (const [format, model] of Object.entries(MODELS)) {
  for (const [name, one] of Object.entries({ text, stream, tools, structured, image })) {
    cases[`${format}_${name}`] = () => one(model(""));
  }
  for (const [name, control] of Object.entries(REFUSED)) {
    cases[`${format}_${name}`] = () => text(model(control));
  }
}

// Whatever LangChain raises where the provider refuses is its own.
await run({ client: "langchain-node" }, cases, {}, (error) =>
  "status" in error || "statusCode" in error || error.lc_error_code
    ? { status: error.status ?? error.statusCode ?? null, message: error.message }
    : null,
);
