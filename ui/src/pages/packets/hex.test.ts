import { expect, it } from "vitest";
import { bytesOf, charOf, hexOf, stretches } from "./hex";

it.each<[number, number, [number, number] | null, string]>([
  [0, 20, null, "0-16"],
  [1, 20, null, "16-20"],
  [0, 20, [4, 6], "0-4 4-6* 6-16"],
  [0, 20, [0, 16], "0-16*"],
  [0, 20, [10, 18], "0-10 10-16*"],
  [1, 20, [10, 18], "16-18* 18-20"],
  [1, 20, [2, 4], "16-20"],
  [1, 20, [18, 99], "16-18 18-20*"],
  [0, 20, [6, 6], "0-6 6-16"],
])("line %i of %i bytes with %s lit is %s", (line, length, range, text) => {
  const found = stretches(line, length, range).map((it) => `${it.from}-${it.to}${it.lit ? "*" : ""}`);
  expect(found.join(" ")).toBe(text);
});

it("reads and writes bytes", () => {
  expect([...bytesOf("RQAA/w==")]).toEqual([0x45, 0, 0, 0xff]);
  expect([0x45, 10].map(hexOf)).toEqual(["45", "0a"]);
  expect([0x45, 0x7f, 0x20].map(charOf)).toEqual(["E", "·", " "]);
});
