import type { CallDetail, RuleTest } from "@/api/schema";

/** A call to try rules on: one of the ledger, or one that is written out. */
export interface Sample {
  from: "call" | "hand";
  /** The id of the chosen call; `null` before one is chosen. */
  call: string | null;
  hand: HandWritten;
}

/** A call that is written out; what is empty is not known. */
export interface HandWritten {
  program: string;
  project: string;
  format: string;
  model: string;
  /** A JSON object: other variables by their names, and `body`, the request's body. */
  rest: string;
}

/** The formats that clients speak. */
export const FORMATS = [
  "openai-chat",
  "openai-responses",
  "openai-embeddings",
  "anthropic-messages",
  "gemini",
  "bedrock-converse",
  "cohere-embed",
  "ollama-embed",
] as const;

/** A written call to begin with. */
export const FIRST_SAMPLE: Sample = {
  from: "call",
  call: null,
  hand: {
    program: "pytest",
    project: "",
    format: "anthropic-messages",
    model: "",
    rest: JSON.stringify(
      {
        body: {
          model: "claude-opus-4-7",
          max_tokens: 32000,
          messages: [{ role: "user", content: "Hello" }],
        },
      },
      null,
      2,
    ),
  },
};

type Asked = { test: RuleTest; problem: null } | { test: null; problem: string | null };

/** What the admin API is asked about a sample; `problem` says what of it cannot be read. */
export function testOf(sample: Sample, rules: string): Asked {
  if (sample.from === "call") {
    return sample.call === null
      ? { test: null, problem: null }
      : { test: { call: sample.call, rules }, problem: null };
  }
  const { rest, ...fields } = sample.hand;
  const read = rest.trim() === "" ? {} : parsed(rest);
  if (read === null) return { test: null, problem: "This is not a JSON object." };
  const known = Object.entries(fields).filter(([, value]) => value.trim() !== "");
  // The document says `object` of it, which the generator reads as one without members.
  const variables = { ...read, ...Object.fromEntries(known) } as RuleTest["with"];
  return { test: { with: variables, rules }, problem: null };
}

/** A call of the ledger as one would write it; `body` only where it was kept whole. */
export function writtenOut({ call, request }: CallDetail): HandWritten {
  const whole = request != null && !request.truncated ? parsed(request.text) : null;
  const rest = { operation: call.operation, ...(whole === null ? {} : { body: whole }) };
  return {
    program: call.caller?.program ?? "",
    project: call.caller?.project ?? "",
    format: call.format ?? "",
    // The body says it, unless it stands in the path.
    model: whole !== null && "model" in whole ? "" : (call.model_asked ?? ""),
    rest: JSON.stringify(rest, null, 2),
  };
}

/** The request's body of a sample that is written out. */
export function bodyOf(hand: HandWritten): unknown {
  return parsed(hand.rest)?.body ?? null;
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
