import { describe, expect, it } from "vitest";
import {
  chartDollars,
  columnDollars,
  dollarsPerMillion,
  exactDollars,
  roundedDollars,
  share,
  shortDollars,
  signedDollars,
} from "./money";

describe("exact dollars", () => {
  it.each([
    ["0", "$0.00"],
    ["37500000", "$0.0000375"],
    ["1", "$0.000000000001"],
    ["1000000000000", "$1.00"],
    ["1234500000000000", "$1,234.50"],
    ["1234567890123456789012", "$1,234,567,890.123456789012"],
    ["-2500000000000", "-$2.50"],
  ])("%s pico-dollars are %s", (pico, text) => {
    expect(exactDollars(pico)).toBe(text);
  });

  it("keeps amounts that a JavaScript number cannot hold", () => {
    expect(exactDollars("9007199254740993000000000001")).toBe("$9,007,199,254,740,993.000000000001");
  });
});

describe("rounding, for display only", () => {
  it.each([
    ["1999999999999", 2, "$2.00"],
    ["5000000000", 2, "$0.01"],
    ["4999999999", 2, "$0.00"],
    ["-5000000000", 2, "-$0.01"],
    ["1500000000000", 0, "$2"],
  ])("%s to %i decimals is %s", (pico, decimals, text) => {
    expect(roundedDollars(pico, decimals)).toBe(text);
  });

  it.each([
    ["0", "$0.00"],
    ["1", "$0.000000000001"],
    ["37500000", "$0.0000375"],
    ["123456789000", "$0.1235"],
    ["999999999999", "$1.00"],
    ["12345678901234", "$12.35"],
  ])("%s in a heading is %s", (pico, text) => {
    expect(shortDollars(pico)).toBe(text);
  });

  it.each([
    ["0", "$0.000000"],
    ["37500000", "$0.000038"],
    ["31200000000", "$0.031200"],
    ["375000", "$0.000000375"],
  ])("%s in a column is %s", (pico, text) => {
    expect(columnDollars(pico, 6)).toBe(text);
  });
});

it("prices a million of what one is priced by", () => {
  expect(dollarsPerMillion("2500000")).toBe("$2.50");
  expect(dollarsPerMillion("75000")).toBe("$0.075");
});

it("draws a share of nothing as nothing", () => {
  expect(share("5", "0")).toBe(0);
  expect(share("1", "4")).toBe(0.25);
  expect(chartDollars("2500000000000")).toBe(2.5);
});

it.each([
  ["0", "$0.00"],
  ["1234567890123", "+$1.23"],
  ["-45000000000", "−$0.045"],
])("a difference of %s", (pico, text) => expect(signedDollars(pico)).toBe(text));
