import type { TargetView } from "@/api/schema";
import type { Tone } from "@/components/StateWord";
import { plural } from "@/lib/format";

/** What each strategy tries first. */
export const STRATEGIES: Record<string, string> = {
  fallback: "as listed; the next one when one fails",
  weighted: "one by chance, by its share; then as listed",
  latency: "first the one that is expected to answer soonest",
  cost: "the cheapest first",
};

/** How a target is: a word for it, and what more there is to say. */
export interface TargetState {
  tone: Tone;
  word: string;
  more: string | null;
}

/** How a target is. One that never answered is not called well. */
export function targetState(it: TargetView): TargetState {
  const state = condition(it);
  if (!it.clients_key) return state;
  return { ...state, more: also(state.more, "only with the client's own key") };
}

function condition(it: TargetView): TargetState {
  if (it.unavailable != null) return { tone: "bad", word: "unavailable", more: it.unavailable };
  const failed = it.failures > 0 ? `${plural(it.failures, "failure")} in a row` : null;
  if (it.cools_for_ms === 0) {
    return { tone: "warn", word: "recovering", more: also(failed, "the next call finds out") };
  }
  if (it.cools_for_ms != null) {
    return { tone: "warn", word: `cools down for ${Math.ceil(it.cools_for_ms / 1000)} s`, more: failed };
  }
  if (failed !== null) return { tone: "warn", word: failed, more: null };
  return it.latency_us == null
    ? { tone: "unknown", word: "no answer yet", more: null }
    : { tone: "ok", word: "ok", more: null };
}

function also(first: string | null, then: string): string {
  return first === null ? then : `${first}; ${then}`;
}
