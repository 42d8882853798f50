import type { CostStepView } from "@/api/schema";

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
  const first = anchor - Math.floor((anchor - sinceMs) / stepMs) * stepMs;
  const count = Math.max(Math.ceil((untilMs - first) / stepMs), 1);
  return Array.from({ length: count }, (_, at) => {
    const start_ms = first + at * stepMs;
    return known.get(start_ms) ?? { start_ms, calls: 0, unknown_cost: 0, cost_pico_usd: "0" };
  });
}

/** At most `max` of the starts of steps to put marks at, evenly spaced. */
export function marks(starts: number[], max: number): number[] {
  const every = Math.ceil(starts.length / max);
  return starts.filter((_, at) => at % every === 0);
}
