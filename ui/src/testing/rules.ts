import type { PriceRowView, PricesView, RuleTest, RuleTestView, RuleView } from "@/api/schema";
import { callId, NOON_MS } from "./fixtures";

/** Rules that fired, did not, and could not be evaluated. */
export const RULES: RuleView[] = [
  {
    name: "no large models in tests",
    when: 'program == "pytest" && model.startsWith("claude-opus")',
    deny: "use a smaller model in tests",
    actions: [],
    fired: 3,
    failed: 0,
    last_fired_at_ms: NOON_MS,
    last_fired_for: callId(1),
  },
  {
    name: "house rules",
    when: null,
    deny: null,
    actions: [
      { action: "cap", on: "max_tokens" },
      { action: "system_suffix", on: null },
    ],
    fired: 0,
    failed: 2,
    last_fired_at_ms: null,
    last_fired_for: null,
  },
];

/** The rules of the configuration file as text. */
export const RULES_TEXT = {
  text: `[[rules]]
name = "no large models in tests"
when = 'program == "pytest" && model.startsWith("claude-opus")'
deny = "use a smaller model in tests"

[[rules]]
name = "house rules"
cap = { max_tokens = 4096 }
system_suffix = "Never print account numbers."
`,
  file: "/home/ada/.config/tollgate/config.toml",
};

/** What rules would do to a call: one fires, one does not, one cannot be evaluated. */
export function aRuleTest(over: Partial<RuleTestView> = {}): RuleTestView {
  return {
    rules: [
      {
        name: "no large models in tests",
        when: 'program == "pytest" && model.startsWith("claude-opus")',
        deny: "use a smaller model in tests",
        verdict: "holds-not",
        why: null,
        values: { program: null, model: "claude-sonnet-4-5" } as never,
        changes: [],
      },
      {
        name: "house rules",
        when: null,
        deny: null,
        verdict: "holds",
        why: null,
        values: {},
        changes: [
          { action: "cap", on: "max_tokens", effect: "changed", why: null },
          { action: "system_suffix", on: null, effect: "impossible", why: "the request has no `messages`" },
        ],
      },
      {
        name: "by header",
        when: 'headers["x-team"] == "core"',
        deny: null,
        verdict: "failed",
        why: "there is no member `x-team`",
        values: { headers: {} } as never,
        changes: [],
      },
    ],
    denied_by: null,
    model: "fast",
    body: { model: "claude-sonnet-4-5", max_tokens: 4096 } as never,
    headers: [
      { of: "request", name: "x-team", value: "core" },
      { of: "response", name: "server", value: null },
    ],
    ...over,
  };
}

/** A misspelt variable is a mistake; all other rules do what the fixture says. */
export function testRules(test: RuleTest): RuleTestView {
  const lines = (test.rules ?? "").split("\n");
  const line = lines.findIndex((it) => it.includes("modl"));
  if (line < 0) return aRuleTest();
  const column = (lines[line]?.indexOf("modl") ?? 0) + 1;
  const message = "no variable `modl`: there are `program`, `model`, …";
  return aRuleTest({ mistake: { line: line + 1, column, message }, rules: [] });
}

/** A price of a model. */
export function aPrice(model: string, over: Partial<PriceRowView> = {}): PriceRowView {
  return {
    id: `openai/${model}`,
    provider: "openai",
    model,
    from_ms: null,
    until_ms: null,
    daily_from_minute: null,
    daily_until_minute: null,
    source: "genai-prices",
    checked_on: "2026-11-20",
    rates: { input: "250000", cache_read: "25000", output: "2000000" },
    tiers: [],
    services: [],
    ...over,
  };
}

/** Prices of every shape. */
export const PRICES: PricesView = {
  rows: [
    aPrice("gpt-5-mini", {
      id: "own",
      source: "your configuration",
      checked_on: "-",
      rates: { input: "200000", output: "1500000" },
    }),
    aPrice("gpt-5-mini", {
      rates: { input: "250000", cache_read: "25000", output: "2000000", web_search: "10000000000" },
      tiers: [{ above_prompt_tokens: 272_000, rates: { input: "500000" } }],
      services: [{ service: "batch", rates: { input: "125000", output: "1000000" }, tiers: [] }],
    }),
    aPrice("gpt-4o", { until_ms: NOON_MS - 86_400_000 }),
    aPrice("gpt-night", { daily_from_minute: 990, daily_until_minute: 30 }),
  ],
  total: 4,
  refreshed_at_ms: null,
};
