import { expect, it } from "vitest";
import { marks, stepMark, stepName } from "./steps";

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
