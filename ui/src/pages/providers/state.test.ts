import { expect, it } from "vitest";
import { aProvider } from "@/testing/routed";
import { isInUse, keyOf, providerState } from "./state";

function check(over: Parameters<typeof aProvider>[1], expected: string) {
  const { tone, word, more } = providerState(aProvider("openai", over));
  expect([tone, word, more].filter(Boolean).join(" | ")).toBe(expected);
}

it("calls a provider well only when its last call was", () => {
  check({}, "unknown | no answer yet");
  check({ answered_at_ms: 2 }, "ok | answers");
  const error = { at_ms: 1, status: 529, code: null, message: "Overloaded" };
  check({ answered_at_ms: 2, last_error: error }, "ok | answers");
  check({ answered_at_ms: 1, last_error: error }, "warn | last call failed | status 529: Overloaded");
  check({ last_error: { ...error, code: "timeout", message: null } }, "warn | last call failed | timeout");
  check({ last_error: { at_ms: 1, status: null, code: null, message: null } }, "warn | last call failed");
});

it("says why a provider cannot be called, before anything else of it", () => {
  check(
    { problem: "the keyring is locked", answered_at_ms: 2 },
    "bad | cannot be called | the keyring is locked",
  );
});

it("tells whether a server on this machine runs, and with how many models", () => {
  check({ local: { running: true, models: ["a"], problem: null } }, "ok | runs | 1 model");
  check({ local: { running: false, models: [], problem: null } }, "unknown | not running");
  check({ local: { running: false, models: [], problem: "refused" } }, "unknown | not running | refused");
});

it("says whose key is sent", () => {
  expect(keyOf(aProvider("openai"))).toBe("the program’s own");
  expect(keyOf(aProvider("openai", { credential: "from $KEY" }))).toBe("from $KEY");
  expect(keyOf(aProvider("ollama", { auth: "none" }))).toBe("needs none");
});

it("counts a provider as in use for each reason there is", () => {
  expect(isInUse(aProvider("openai"))).toBe(false);
  expect(isInUse(aProvider("vllm", { local: { running: false, models: [], problem: "refused" } }))).toBe(
    false,
  );
  for (const over of [
    { configured: true },
    { env_set: "OPENAI_API_KEY" },
    { answered_at_ms: 0 },
    { last_error: { at_ms: 0, status: 500, code: null, message: null } },
    { local: { running: true, models: [], problem: null } },
  ])
    expect(isInUse(aProvider("openai", over))).toBe(true);
});
