import type { CallState } from "@/api/schema";

/** The parameters of `GET /api/calls` that choose calls. */
export interface CallFilter {
  program?: string;
  project?: string;
  provider?: string;
  model?: string;
  /** The name of the local key. */
  key?: string;
  state?: CallState;
  /** Why the cost is unknown. */
  unknown?: string;
  text?: string;
}

/** The words that may stand before a colon. */
export const CALL_FILTER_KEYS = [
  "program",
  "project",
  "provider",
  "model",
  "key",
  "state",
  "unknown",
] as const;
type Key = (typeof CALL_FILTER_KEYS)[number];
const STATES: readonly CallState[] = ["live", "finished", "failed", "cancelled"];

/**
 * Reads `program:claude model:"gpt 5" state:failed free text`. A value with blanks stands in double quotes;
 * what has no known key is free text. The second part says what is wrong, if anything.
 */
export function parseCallFilter(input: string): { filter: CallFilter; problem: string | null } {
  const filter: CallFilter = {};
  const free: string[] = [];
  let problem: string | null = null;
  for (const word of input.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []) {
    const colon = word.indexOf(":");
    const key = word.slice(0, colon) as Key;
    const value = word.slice(colon + 1).replaceAll('"', "");
    if (colon > 0 && CALL_FILTER_KEYS.includes(key)) {
      if (value === "") continue;
      if (key !== "state") filter[key] = value;
      else if (isState(value)) filter.state = value;
      else problem = `state is one of ${STATES.join(", ")}`;
    } else free.push(word.replaceAll('"', ""));
  }
  if (free.length > 0) filter.text = free.join(" ");
  return { filter, problem };
}

function isState(value: string): value is CallState {
  return (STATES as readonly string[]).includes(value);
}

/** One condition as text that `parseCallFilter` reads back. */
export function callCondition(key: Key, value: string): string {
  return /\s/.test(value) ? `${key}:"${value}"` : `${key}:${value}`;
}
