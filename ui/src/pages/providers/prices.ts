import type { PriceRowView } from "@/api/schema";

/** The days on which a price holds; `null` when it always does. Prices change at midnight in UTC. */
export function validityOf({ from_ms, until_ms }: PriceRowView): string | null {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  if (from_ms != null && until_ms != null) return `from ${day(from_ms)} until before ${day(until_ms)}`;
  if (from_ms != null) return `from ${day(from_ms)} on`;
  return until_ms == null ? null : `until before ${day(until_ms)}`;
}

/** Whether a price does not hold any more. */
export function isPast({ until_ms }: PriceRowView, nowMs: number): boolean {
  return until_ms != null && until_ms <= nowMs;
}

/** The hours in which a price holds, in UTC: `16:30–00:30 UTC`; `null` when it does all day. */
export function hoursOf({ daily_from_minute: from, daily_until_minute: until }: PriceRowView): string | null {
  if (from == null || until == null) return null;
  const clock = (minute: number) =>
    `${String(Math.floor(minute / 60) % 24).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  return `${clock(from)}–${clock(until)} UTC`;
}
