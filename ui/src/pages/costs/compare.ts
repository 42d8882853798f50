import type { CostRowView, CostsView } from "@/api/schema";
import { plural, timeOfDay } from "@/lib/format";
import { LOCALE } from "@/lib/locale";

/** How a sum stands beside that of the time before; both are of what is known. */
export interface Change {
  /** Cost now less cost then, in pico-dollars. */
  pico: bigint;
  /** In tenths of a per cent of the cost then; `null` where that is not known or nothing. */
  permille: bigint | null;
  /** What to know of it before it is believed, as a sentence. */
  but: string | null;
}

/** What is known of the time before. */
export type Past =
  /** All of it. */
  | "whole"
  /** The first call ever is in it. */
  | "partly"
  /** The first call ever came later. */
  | "not";

/** What the ledger knows of the time before. */
export function pastOf({ first_call_ms, previous }: CostsView): Past {
  if (first_call_ms == null || first_call_ms >= previous.until_ms) return "not";
  return first_call_ms > previous.since_ms ? "partly" : "whole";
}

/** The change from `then` to `now`; no row is no call. */
export function change(now: CostRowView, then: CostRowView | undefined, past: Past): Change {
  const before = BigInt(then?.cost_pico_usd ?? 0);
  const pico = BigInt(now.cost_pico_usd) - before;
  const comparable = past === "whole" && before > 0n;
  return { pico, permille: comparable ? (pico * 1000n) / before : null, but: but(now, then, past) };
}

function but(now: CostRowView, then: CostRowView | undefined, past: Past): string | null {
  const left = then?.unknown_cost ?? 0;
  if (past !== "whole") return "The ledger does not go back to the beginning of that time.";
  if (left > 0) return `The cost of ${plural(left, "call")} of then is unknown.`;
  return now.unknown_cost > 0 ? `The cost of ${plural(now.unknown_cost, "call")} is unknown.` : null;
}

/** The rows, and behind them those that only the time before has, as rows of nothing. */
export function withGone({ rows, previous }: CostsView): CostRowView[] {
  const there = new Set(rows.map((it) => it.key));
  const gone = previous.rows.filter((it) => !there.has(it.key));
  return rows.concat(gone.map(({ key }) => ({ ...NOTHING, key })));
}

const NOTHING: CostRowView = {
  key: null,
  calls: 0,
  failed: 0,
  unknown_cost: 0,
  unknown_usage: 0,
  counted_usage: 0,
  cost_pico_usd: "0",
  estimated_pico_usd: "0",
  cached_calls: 0,
  saved_pico_usd: "0",
  unknown_saved: 0,
  usage: { input: 0, cache_read: 0, output: 0 },
};

/** `+12.3 %`. */
export function percent(permille: bigint): string {
  const size = permille < 0n ? -permille : permille;
  const text = `${(size / 10n).toLocaleString(LOCALE)}.${size % 10n} %`;
  return `${permille < 0n ? "−" : "+"}${text}`;
}

const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });

/** A stretch of time that begins with a day: `22 Nov until 10:30`, `10 Nov – 16 Nov`. */
export function spanName(sinceMs: number, untilMs: number): string {
  const [first, last] = [day.format(sinceMs), day.format(untilMs - 1)];
  const days = first === last ? first : `${first} – ${last}`;
  const end = timeOfDay(untilMs).slice(0, 5);
  return end === "00:00" ? days : `${days} until ${end}`;
}
