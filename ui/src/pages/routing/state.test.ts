import { expect, it } from "vitest";
import { aTarget } from "@/testing/routed";
import { targetState } from "./state";

function check(over: Parameters<typeof aTarget>[1], expected: string) {
  const { tone, word, more } = targetState(aTarget("openai", over));
  expect([tone, word, more].filter(Boolean).join(" | ")).toBe(expected);
}

it("calls a target well only when it has answered", () => {
  check({}, "ok | ok");
  check({ latency_us: null }, "unknown | no answer yet");
  check({ failures: 1 }, "warn | 1 failure in a row");
  check({ failures: 2, latency_us: null }, "warn | 2 failures in a row");
});

it("tells how much longer a target is passed over, in whole seconds that are not too few", () => {
  check({ failures: 3, cools_for_ms: 14_001 }, "warn | cools down for 15 s | 3 failures in a row");
  check({ failures: 3, cools_for_ms: 1 }, "warn | cools down for 1 s | 3 failures in a row");
  check({ failures: 3, cools_for_ms: 0 }, "warn | recovering | 3 failures in a row; the next call finds out");
});

it("says that a target without a key of its own is called with the client's", () => {
  check({ clients_key: true }, "ok | ok | only with the client's own key");
  check(
    { clients_key: true, failures: 3, cools_for_ms: 1 },
    "warn | cools down for 1 s | 3 failures in a row; only with the client's own key",
  );
});

it("says why a target cannot be called, before anything else of it", () => {
  check(
    { unavailable: "provider openai: no key", failures: 3, cools_for_ms: 5 },
    "bad | unavailable | provider openai: no key",
  );
});
