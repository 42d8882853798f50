import type { BudgetAccountView, BudgetMoneyView, BudgetView } from "@/api/schema";

const MIDNIGHT = new Date(2026, 10, 26).getTime();

export function aPurse(more: Partial<BudgetMoneyView> = {}): BudgetMoneyView {
  return {
    period: "day",
    from_ms: MIDNIGHT - 86_400_000,
    until_ms: MIDNIGHT,
    amount_pico_usd: "5000000000000",
    spent_pico_usd: "4100000000000",
    reserved_pico_usd: "300000000000",
    left_pico_usd: "600000000000",
    unknown_calls: 0,
    stopped: 0,
    ...more,
  };
}

export function anAccount(more: Partial<BudgetAccountView> = {}): BudgetAccountView {
  return {
    value: null,
    money: [],
    requests: null,
    tokens: null,
    under_way: 0,
    stopped_requests: 0,
    stopped_tokens: 0,
    stopped_concurrent: 0,
    ...more,
  };
}

function aBudget(more: Partial<BudgetView>): BudgetView {
  return {
    name: "everything",
    scope: [],
    each: null,
    on_limit: "stop",
    warn_at: [],
    unknown_pico_usd: null,
    requests_per_min: null,
    tokens_per_min: null,
    concurrent: null,
    accounts: [],
    ...more,
  };
}

/** Budgets in every state. */
export const BUDGETS: BudgetView[] = [
  aBudget({
    warn_at: [50, 80],
    accounts: [
      anAccount({
        money: [
          aPurse(),
          aPurse({
            period: "month",
            from_ms: new Date(2026, 10, 1).getTime(),
            until_ms: new Date(2026, 11, 1).getTime(),
            amount_pico_usd: "200000000000000",
            spent_pico_usd: "61250000000000",
            left_pico_usd: "138450000000000",
            unknown_calls: 2,
          }),
        ],
      }),
    ],
  }),
  aBudget({
    name: "each program",
    each: "program",
    accounts: [
      anAccount({
        value: "claude",
        money: [
          aPurse({
            spent_pico_usd: "5000000000000",
            reserved_pico_usd: "0",
            left_pico_usd: "0",
            stopped: 7,
          }),
        ],
      }),
      anAccount({
        money: [aPurse({ spent_pico_usd: "0", reserved_pico_usd: "0", left_pico_usd: "5000000000000" })],
      }),
    ],
  }),
  aBudget({
    name: "agents",
    scope: [
      { dimension: "program", pattern: "claude*" },
      { dimension: "project", pattern: "billing" },
    ],
    requests_per_min: 60,
    tokens_per_min: 200_000,
    concurrent: 0,
    on_limit: "warn",
    accounts: [anAccount({ requests: 12, tokens: 91_400, stopped_concurrent: 3 })],
  }),
  aBudget({ name: "keys", each: "key", concurrent: 2, accounts: [anAccount(), anAccount({ value: "ci" })] }),
  aBudget({ name: "nobody yet", each: "user", requests_per_min: 5 }),
];
