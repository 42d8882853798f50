import { expect, it } from "vitest";
import { callCondition, parseCallFilter } from "./callFilter";

it.each([
  ["", {}],
  ["hello world", { text: "hello world" }],
  ["program:claude model:gpt-5", { program: "claude", model: "gpt-5" }],
  ['program:"ingest.py (python3)" oops', { program: "ingest.py (python3)", text: "oops" }],
  ["unknown:no-price", { unknown: "no-price" }],
  ["http://x state:", { text: "http://x" }],
])("reads %s", (input, filter) => {
  expect(parseCallFilter(input)).toEqual({ filter, problem: null });
});

it("names the states there are", () => {
  expect(parseCallFilter("state:dead").problem).toContain("live, finished, failed, cancelled");
});

it("writes a condition that it reads back", () => {
  const text = callCondition("program", "ingest.py (python3)");
  expect(parseCallFilter(text).filter).toEqual({ program: "ingest.py (python3)" });
});
