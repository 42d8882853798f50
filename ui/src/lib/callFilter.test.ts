import { expect, it } from "vitest";
import { callCondition, parseCallFilter, saidOf, withSaid } from "./callFilter";

it.each([
  ["", {}],
  ["hello world", { text: "hello world" }],
  ["program:claude model:gpt-5", { program: "claude", model: "gpt-5" }],
  ['program:"ingest.py (python3)" oops', { program: "ingest.py (python3)", text: "oops" }],
  ["unknown:no-price", { unknown: "no-price" }],
  ["http://x state:", { text: "http://x" }],
  ['said:"brown fox"* oops said:dog said:', { text: "oops", said: '"brown fox"* dog' }],
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

it("puts what is looked for beside the other conditions", () => {
  const filter = withSaid("program:claude said:old oops", '"brown fox" jum*');
  expect(filter).toBe('program:claude oops said:"brown fox" said:jum*');
  expect(saidOf(filter)).toBe('"brown fox" jum*');
  expect(withSaid(filter, " ")).toBe("program:claude oops");
});
