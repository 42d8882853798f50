import { expect, it } from "vitest";
import { NOON_MS } from "@/testing/fixtures";
import { aPrice } from "@/testing/rules";
import { hoursOf, isPast, validityOf } from "./prices";

const DAY_MS = Date.UTC(2026, 10, 1);

it("tells on which days a price holds", () => {
  const told = (from_ms: number | null, until_ms: number | null) =>
    validityOf(aPrice("m", { from_ms, until_ms }));
  expect(told(null, null)).toBeNull();
  expect(told(DAY_MS, null)).toBe("from 2026-11-01 on");
  expect(told(null, DAY_MS)).toBe("until before 2026-11-01");
  expect(told(DAY_MS, NOON_MS)).toBe("from 2026-11-01 until before 2026-11-23");
});

it("tells a price that does not hold any more", () => {
  expect(isPast(aPrice("m"), NOON_MS)).toBe(false);
  expect(isPast(aPrice("m", { until_ms: NOON_MS }), NOON_MS)).toBe(true);
  expect(isPast(aPrice("m", { until_ms: NOON_MS + 1 }), NOON_MS)).toBe(false);
});

it("tells the hours in UTC, also over midnight", () => {
  expect(hoursOf(aPrice("m"))).toBeNull();
  expect(hoursOf(aPrice("m", { daily_from_minute: 990, daily_until_minute: 30 }))).toBe("16:30–00:30 UTC");
  expect(hoursOf(aPrice("m", { daily_from_minute: 0, daily_until_minute: 1440 }))).toBe("00:00–00:00 UTC");
});
