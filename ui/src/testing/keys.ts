import type { KeysView, KeyView } from "@/api/schema";
import { NOON_MS } from "./fixtures";

const DAY_MS = 86_400_000;

/** A key that may do anything and has done nothing. */
export function aKey(name: string, over: Partial<KeyView> = {}): KeyView {
  return {
    name,
    beginning: "tg-Ab3xYz",
    state: "good",
    created_at_ms: NOON_MS - 9 * DAY_MS,
    expires_at_ms: null,
    revoked_at_ms: null,
    rotated_at_ms: null,
    former_until_ms: null,
    scope: { models: [], routes: [], providers: [], operations: [] },
    last_used_ms: null,
    month_calls: 0,
    month_cost_pico_usd: "0",
    month_estimated_pico_usd: "0",
    month_unknown_cost: 0,
    ...over,
  };
}

/** Keys in every state. */
export const KEYS: KeysView = {
  required: false,
  month_began_ms: NOON_MS - 20 * DAY_MS,
  keys: [
    aKey("nightly", {
      beginning: "tg-q7RkP2",
      expires_at_ms: NOON_MS + 21 * DAY_MS,
      rotated_at_ms: NOON_MS - 3_600_000,
      former_until_ms: NOON_MS + DAY_MS,
      scope: { models: ["gpt-5*"], routes: ["fast"], providers: ["openai"], operations: ["generate"] },
      last_used_ms: NOON_MS - 240_000,
      month_calls: 1_204,
      month_cost_pico_usd: "3210000000000",
      month_unknown_cost: 2,
    }),
    aKey("everything"),
    aKey("visitor", { state: "expired", expires_at_ms: NOON_MS - DAY_MS, month_calls: 12 }),
    aKey("old", { state: "revoked", revoked_at_ms: NOON_MS - 2 * DAY_MS }),
  ],
};
