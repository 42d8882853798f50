import { expect, it } from "vitest";
import type { CostStepView } from "@/api/schema";
import { filled, marks, stepMark, stepName } from "./steps";

const step = (start_ms: number): CostStepView => ({
  start_ms,
  calls: 1,
  unknown_cost: 0,
  cost_pico_usd: "5",
});

it.each<[number[], number, number, number[], string]>([
  [[30], 0, 60, [0, 10, 20, 30, 40, 50], "000100"],
  [[10, 40], 10, 45, [10, 20, 30, 40], "1001"],
  [[], 5, 25, [5, 15], "00"],
  [[33], 30, 50, [33, 43], "10"],
  [[30], 30, 30, [30], "1"],
  // The first step begins before the time asked for.
  [[27, 47], 30, 50, [27, 37, 47], "101"],
  [[27], 30, 30, [27], "1"],
])("steps at %j from %i to %i", (known, since, until, starts, calls) => {
  const found = filled(known.map(step), 10, since, until);
  expect(found.map((it) => it.start_ms)).toEqual(starts);
  expect(found.map((it) => it.calls).join("")).toBe(calls);
});

it("marks no more steps than fit", () => {
  const steps = Array.from({ length: 24 }, (_, at) => at);
  expect(marks(steps, 12)).toHaveLength(12);
  expect(marks(steps, 7)).toEqual([0, 4, 8, 12, 16, 20]);
  expect(marks(steps, 30)).toHaveLength(24);
});

it("names a day by where most of it lies, whatever the clock says where it begins", () => {
  const hourMs = 3_600_000;
  const midnight = new Date(2026, 10, 2).getTime();
  for (const start of [midnight - hourMs, midnight, midnight + hourMs]) {
    expect(stepMark(start, 24 * hourMs)).toBe(stepMark(midnight, 24 * hourMs));
    expect(stepName(start, 24 * hourMs)).toMatch(/^\D*2\D*$/);
  }
  expect(stepName(midnight, hourMs)).toMatch(/2.*00:00/);
});
