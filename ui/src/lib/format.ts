import { LOCALE } from "./locale";

const KB = 1000;
const MS = 1000;
const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const COUNT_FULL_MAX = 99_999;

/** What stands where a value is not known. */
export const UNKNOWN = "–";

/** Microseconds as people read them: `0.42 ms`, `412 ms`, `3.21 s`, `2 m 05 s`. */
export function duration(us: number | null | undefined): string {
  if (us == null) return UNKNOWN;
  if (us < 10 * MS) return `${(us / MS).toFixed(2)} ms`;
  if (us < SECOND) return `${Math.round(us / MS)} ms`;
  if (us < MINUTE) return `${(us / SECOND).toFixed(2)} s`;
  const seconds = Math.round(us / SECOND);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
}

/** A size in SI units: `512 B`, `1.2 kB`, `3.4 MB`. */
export function bytes(count: number | null | undefined): string {
  if (count == null) return UNKNOWN;
  let size = count;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < KB) return `${unit === "B" ? size : size.toFixed(1)} ${unit}`;
    size /= KB;
  }
  return `${size.toFixed(1)} TB`;
}

/** Every digit, in groups of three: `1,234,567`. */
export function count(value: number | null | undefined): string {
  return value == null ? UNKNOWN : value.toLocaleString(LOCALE);
}

/** A count that fits a narrow column: `12,345`, `1.23M`; the whole belongs in a tooltip. */
export function compactCount(value: number | null | undefined): string {
  if (value == null) return UNKNOWN;
  if (value <= COUNT_FULL_MAX) return count(value);
  if (value < 999_500) return `${Math.round(value / 1e3)}k`;
  return value < 999_500_000 ? `${(value / 1e6).toFixed(2)}M` : `${(value / 1e9).toFixed(2)}G`;
}

const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(LOCALE, { day: "2-digit", month: "short" });
const whole = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "long" });

/** Local time of day: `14:03:59`. */
export function timeOfDay(ms: number): string {
  return clock.format(ms);
}

/** Local time of day with microseconds: `14:03:59.001234`. */
export function timeOfDayUs(us: number): string {
  const rest = ((us % SECOND) + SECOND) % SECOND;
  return `${clock.format(us / MS)}.${String(rest).padStart(6, "0")}`;
}

/** The day: `23 Nov`. */
export function dayOf(ms: number): string {
  return day.format(ms);
}

/** Date, time and zone in full. */
export function fullTime(ms: number): string {
  return whole.format(ms);
}

/** How long ago: `just now`, `5 min ago`, `3 h ago`, `23 Nov`. */
export function ago(ms: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - ms) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return dayOf(ms);
}

/** `1 call`, `2 calls`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
