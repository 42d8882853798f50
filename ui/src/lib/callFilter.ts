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
  /** Words that were said; those in double quotes beside each other, `begin*` for any ending. */
  said?: string;
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

/** Words of a filter: blanks in double quotes do not end one. */
const WORDS = /(?:[^\s"]|"[^"]*"?)+/g;
const SAID = "said:";

/**
 * Reads `program:claude model:"gpt 5" state:failed free text`. A value with blanks stands in double quotes;
 * what has no known key is free text. All that stands behind `said:` is looked for together, where quotes keep
 * words beside each other. The second part says what is wrong, if anything.
 */
export function parseCallFilter(input: string): { filter: CallFilter; problem: string | null } {
  const filter: CallFilter = {};
  const free: string[] = [];
  let problem: string | null = null;
  for (const word of input.match(WORDS) ?? []) {
    if (word.startsWith(SAID)) continue;
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
  const said = saidOf(input);
  if (said !== "") filter.said = said;
  return { filter, problem };
}

/** What a filter looks for in what was said. */
export function saidOf(filter: string): string {
  const words = (filter.match(WORDS) ?? []).filter((it) => it.startsWith(SAID));
  return words
    .map((it) => it.slice(SAID.length))
    .filter((it) => it !== "")
    .join(" ");
}

/** The filter that looks for this instead. */
export function withSaid(filter: string, said: string): string {
  const others = (filter.match(WORDS) ?? []).filter((it) => !it.startsWith(SAID));
  return [...others, ...(said.match(WORDS) ?? []).map((it) => SAID + it)].join(" ");
}

function isState(value: string): value is CallState {
  return (STATES as readonly string[]).includes(value);
}

/** One condition as text that `parseCallFilter` reads back. */
export function callCondition(key: Key, value: string): string {
  return /\s/.test(value) ? `${key}:"${value}"` : `${key}:${value}`;
}
