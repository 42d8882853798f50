import { expect, it } from "vitest";
import { aCostRow, someCosts } from "@/testing/fixtures";
import { change, pastOf, percent, spanName, withGone } from "./compare";

const row = (pico: string, unknown = 0) => aCostRow("m", { cost_pico_usd: pico, unknown_cost: unknown });

it.each([
  ["150", "100", 500n],
  ["50", "100", -500n],
  ["100", "100", 0n],
  ["9007199254740993", "9007199254740992", 0n],
])("from %s to %s", (now, then, permille) => {
  expect(change(row(now), row(then), "whole")).toEqual({
    pico: BigInt(now) - BigInt(then),
    permille,
    but: null,
  });
});

it("gives no percentage of nothing, or of a time that is not known whole", () => {
  expect(change(row("150"), undefined, "whole")).toEqual({ pico: 150n, permille: null, but: null });
  expect(change(row("150"), row("0", 2), "whole").permille).toBeNull();
  const partly = change(row("150"), row("100"), "partly");
  expect(partly).toMatchObject({ pico: 50n, permille: null });
  expect(partly.but).toMatch(/does not go back/);
});

it("says what a comparison leaves out, of then before of now", () => {
  expect(change(row("150", 2), row("100", 1), "whole")).toMatchObject({ pico: 50n, permille: 500n });
  expect(change(row("150", 2), row("100", 1), "whole").but).toBe("The cost of 1 call of then is unknown.");
  expect(change(row("150", 2), row("100"), "whole").but).toBe("The cost of 2 calls is unknown.");
});

it("knows how far the ledger goes back", () => {
  const { previous } = someCosts();
  const at = (first_call_ms: number | null) => pastOf(someCosts({ first_call_ms }));
  expect(at(previous.since_ms)).toBe("whole");
  expect(at(previous.since_ms + 1)).toBe("partly");
  expect(at(previous.until_ms)).toBe("not");
  expect(at(null)).toBe("not");
});

it("keeps what was spent on before and is no longer", () => {
  const costs = someCosts();
  costs.previous.rows = [aCostRow("gone"), aCostRow(costs.rows[0]?.key ?? null)];
  const rows = withGone(costs);
  expect(rows.map((it) => it.key)).toEqual([...costs.rows.map((it) => it.key), "gone"]);
  expect(rows.at(-1)).toMatchObject({ calls: 0, cost_pico_usd: "0" });
});

it.each([
  [123n, "+12.3 %"],
  [-1000n, "−100.0 %"],
  [0n, "+0.0 %"],
  [12_345_678n, "+1,234,567.8 %"],
])("%s permille", (permille, text) => expect(percent(permille)).toBe(text));

it("names a time by its days and where it ends", () => {
  const at = (day: number, hour = 0, minute = 0) => new Date(2026, 10, day, hour, minute).getTime();
  expect(spanName(at(22), at(22, 10, 30))).toBe("22 Nov until 10:30");
  expect(spanName(at(22), at(23))).toBe("22 Nov");
  expect(spanName(at(10), at(17))).toBe("10 Nov – 16 Nov");
});
