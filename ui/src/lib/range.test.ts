import { expect, it } from "vitest";
import { sinceMs } from "./range";

const now = Date.UTC(2026, 10, 23, 15, 30);

it.each([
  ["today", Date.UTC(2026, 10, 23)],
  ["7d", Date.UTC(2026, 10, 17)],
  ["30d", Date.UTC(2026, 9, 25)],
] as const)("%s begins at a midnight", (range, since) => {
  expect(sinceMs(range, now)).toBe(since);
});
