const DAY_MS = 86_400_000;

/** The times that sums are shown over. */
export const RANGES = [
  { id: "today", label: "Today" },
  { id: "7d", label: "7 days" },
  { id: "30d", label: "30 days" },
] as const;

/** One of `RANGES`. */
export type RangeId = (typeof RANGES)[number]["id"];

/** Where a range begins: local midnight, so that whole days are summed. */
export function sinceMs(range: RangeId, nowMs: number): number {
  const days = range === "today" ? 0 : range === "7d" ? 6 : 29;
  const midnight = new Date(nowMs);
  midnight.setHours(0, 0, 0, 0);
  // Midday lies on the right day even when a clock change makes a day 23 or 25 hours long.
  const first = new Date(midnight.getTime() + DAY_MS / 2 - days * DAY_MS);
  first.setHours(0, 0, 0, 0);
  return first.getTime();
}
