import { expect, it } from "vitest";
import { diffLines } from "./diff";

function check(before: string, after: string, expected: string) {
  const lines = diffLines(before.replaceAll(" ", "\n"), after.replaceAll(" ", "\n"));
  expect(lines.map(({ sign, text }) => (sign === " " ? text : sign + text)).join(" ")).toBe(expected);
}

it("tells nothing of what is the same", () => {
  check("a b", "a b", "");
});

it("tells what came and went, beside what stayed", () => {
  check("a b c", "a x c", "a -b +x c");
  check("a b", "a b c", "a b +c");
  check("a b c", "b c", "-a b c");
  check("a b c d", "a x c y", "a -b +x c -d +y");
  check("a a", "a a a", "a a +a");
});

it("does not take a comma at the end of a line for a change", () => {
  check("{ a }", "{ a, b }", "{ a, +b }");
});

it("leaves out lines that are far from a change", () => {
  check("1 2 3 4 5 6 7 8 9 a b c", "1 2 3 4 5 6 7 x 9 a b c", "…4 lines 5 6 7 -8 +x 9 a b …1 line");
});

it("does not compare very long changes line by line", () => {
  const long = (from: string) => Array.from({ length: 500 }, (_, at) => `${from}${at}`).join("\n");
  const lines = diffLines(long("a"), long("b"));
  expect(lines.slice(0, 500).every(({ sign }) => sign === "-")).toBe(true);
  expect(lines.slice(500).every(({ sign }) => sign === "+")).toBe(true);
});
