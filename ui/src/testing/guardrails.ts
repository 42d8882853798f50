import type { ExceptionView, GuardrailView, HitPage, HitView } from "@/api/schema";
import { NOON_MS } from "./fixtures";

/** A key that was redacted in the third message of a call. */
export function aHit(number: number, over: Partial<HitView> = {}): HitView {
  return {
    number,
    call: "0191f3c2-0000-7000-8000-000000000002",
    at_ms: NOON_MS,
    guardrail: "no secrets leave",
    rule: "openai-key",
    action: "redact",
    side: "request",
    place: "messages[3]",
    times: 1,
    snippet: "the key is ‹OPENAI_KEY›, do not lose it",
    fingerprint: `AAAAAAAAAAAAAAAAAAAA${number}w`,
    excepted: false,
    ...over,
  };
}

export const HITS: HitPage = {
  hits: [
    aHit(4, { guardrail: "orders", rule: "tool-orders", action: "block", place: "messages[5]" }),
    aHit(3, { rule: "email", action: "warn", times: 12, snippet: "write to ‹EMAIL›", excepted: true }),
    aHit(2),
    aHit(1, { rule: "unread", action: "log", place: "body", snippet: null, fingerprint: null }),
  ],
  next: null,
};

export const GUARDRAILS: GuardrailView[] = [
  {
    name: "no secrets leave",
    scope: [],
    on: "requests",
    check: "secrets",
    action: "redact",
    rules: [{ id: "openai-key", title: "an OpenAI API key", placeholder: "OPENAI_KEY" }],
  },
  {
    name: "orders",
    scope: [{ dimension: "program", pattern: "claude*" }],
    on: "both",
    check: "injection",
    action: "block",
    rules: [{ id: "tool-orders", title: "orders to the model in a tool's result", placeholder: "INJECTION" }],
  },
];

export const EXCEPTIONS: ExceptionView[] = [
  {
    fingerprint: "AAAAAAAAAAAAAAAAAAAAAw",
    rule: "email",
    guardrail: "no secrets leave",
    snippet: "write to ‹EMAIL›",
    made_at_ms: NOON_MS,
  },
];
