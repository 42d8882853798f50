import { expect, it } from "vitest";
import { aRouting } from "@/testing/routed";
import { routingNotes } from "./routing";

const [passed, failed, late, answered] = aRouting().attempts;
const NO_LOSS = { request_losses: [], answer_losses: [] };

function check(over: Parameters<typeof aRouting>[0], expected: string) {
  expect(routingNotes(aRouting(over)).join(", ")).toBe(expected);
}

it("says what a program would not notice by itself", () => {
  check({}, "translated to anthropic-messages, 3 attempts, 1 passed over, 3 losses");
  check({ attempts: [answered], ...NO_LOSS } as never, "translated to anthropic-messages");
  check({ attempts: [failed, late], ...NO_LOSS } as never, "2 attempts");
  check({ attempts: [passed], ...NO_LOSS } as never, "1 passed over");
});

it("counts the rules that had a say", () => {
  const rule = { rule: "r", end: "applied", why: null, changes: [] };
  check({ rules: [rule], attempts: [], ...NO_LOSS }, "1 rule");
  check({ rules: [rule, rule], attempts: [failed], ...NO_LOSS } as never, "2 rules");
});

it("says nothing of a call that went straight to the first target", () => {
  check({ attempts: [failed], ...NO_LOSS } as never, "");
  check({ attempts: [], ...NO_LOSS }, "");
});

it("speaks of the translation only when the last attempt was one", () => {
  check({ attempts: [answered, failed], answer_losses: [] } as never, "2 attempts, 2 losses");
});
