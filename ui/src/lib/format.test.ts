import { expect, it } from "vitest";
import { ago, bytes, compactCount, count, duration, plural, timeOfDayUs } from "./format";

it.each([
  [null, "–"],
  [0, "0.00 ms"],
  [420, "0.42 ms"],
  [9_999, "10.00 ms"],
  [412_300, "412 ms"],
  [3_210_000, "3.21 s"],
  [125_000_000, "2 m 05 s"],
])("a duration of %s microseconds is %s", (us, text) => {
  expect(duration(us)).toBe(text);
});

it.each([
  [undefined, "–"],
  [512, "512 B"],
  [1_234, "1.2 kB"],
  [3_400_000, "3.4 MB"],
  [2e12, "2.0 TB"],
])("%s bytes are %s", (size, text) => {
  expect(bytes(size)).toBe(text);
});

it("writes counts in full where they fit and short where they do not", () => {
  expect(count(1_234_567)).toBe("1,234,567");
  expect(compactCount(99_999)).toBe("99,999");
  expect(compactCount(123_456)).toBe("123k");
  expect(compactCount(999_700)).toBe("1.00M");
  expect(compactCount(1_234_567)).toBe("1.23M");
  expect(compactCount(null)).toBe("–");
});

it("tells times", () => {
  expect(timeOfDayUs(1_700_000_000_001_234)).toBe("22:13:20.001234");
  expect(ago(0, 59_999)).toBe("just now");
  expect(ago(0, 3_600_000)).toBe("1 h ago");
  expect(plural(1, "call")).toBe("1 call");
  expect(plural(1_200, "call")).toBe("1,200 calls");
});
