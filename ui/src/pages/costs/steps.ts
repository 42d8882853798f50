import { LOCALE } from "@/lib/locale";

const hour = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
const DAY_MS = 86_400_000;

/** What a step is called under its bar: the day that most of it lies on, or the time it begins. */
export function stepMark(startMs: number, stepMs: number): string {
  return stepMs >= DAY_MS ? day.format(startMs + stepMs / 2) : hour.format(startMs);
}

/** A step in full: its day, and the time it begins unless it is a day long. */
export function stepName(startMs: number, stepMs: number): string {
  return stepMs >= DAY_MS ? stepMark(startMs, stepMs) : `${day.format(startMs)} ${stepMark(startMs, stepMs)}`;
}

/** At most `max` of the starts of steps to put marks at, evenly spaced. */
export function marks(starts: number[], max: number): number[] {
  const every = Math.ceil(starts.length / max);
  return starts.filter((_, at) => at % every === 0);
}
