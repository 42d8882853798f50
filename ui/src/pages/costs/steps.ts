import type { CostStepView } from "@/api/schema";
import { LOCALE } from "@/lib/locale";

/** The steps from `sinceMs` up to `untilMs`, those in which there was no call filled in, oldest first. */
export function filled(
  steps: CostStepView[],
  stepMs: number,
  sinceMs: number,
  untilMs: number,
): CostStepView[] {
  const known = new Map(steps.map((it) => [it.start_ms, it]));
  // The gateway's steps lie on a grid of its own; any one of them tells where.
  const anchor = steps[0]?.start_ms ?? sinceMs;
  // A first step may begin before the time asked for: the grid need not lie on this clock's midnights.
  const first = anchor - Math.max(Math.floor((anchor - sinceMs) / stepMs), 0) * stepMs;
  const count = Math.max(Math.ceil((untilMs - first) / stepMs), 1);
  return Array.from({ length: count }, (_, at) => {
    const start_ms = first + at * stepMs;
    return known.get(start_ms) ?? { start_ms, calls: 0, unknown_cost: 0, cost_pico_usd: "0" };
  });
}

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
