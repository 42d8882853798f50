import { expect, it } from "vitest";
import { prettyJson } from "./json";

it.each([
  ['{"a":[1,2],"b":{}}', '{\n  "a": [\n    1,\n    2\n  ],\n  "b": {}\n}'],
  ["[]", "[]"],
  ['"x"', '"x"'],
  [' { "s" : "a,b:{[\\"" } ', '{\n  "s": "a,b:{[\\""\n}'],
])("indents %s", (text, pretty) => {
  expect(prettyJson(text)).toBe(pretty);
});

it("keeps every digit and escape as it was sent", () => {
  const text = '{"n":12345678901234567890.10,"u":"\\u00e9","n":1e3}';
  expect(prettyJson(text)).toBe('{\n  "n": 12345678901234567890.10,\n  "u": "\\u00e9",\n  "n": 1e3\n}');
});

it("says when a text is not JSON", () => {
  expect(prettyJson("data: {}\n\n")).toBeNull();
  expect(prettyJson('{"cut":')).toBeNull();
});
