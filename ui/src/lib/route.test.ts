import { expect, it } from "vitest";
import { href, parseRoute } from "./route";

it.each([
  ["", { page: "calls", item: null, filter: "" }],
  ["#/packets", { page: "packets", item: null, filter: "" }],
  ["#/calls/abc?filter=program%3Aclaude%20x", { page: "calls", item: "abc", filter: "program:claude x" }],
  ["#/calls/%zz", { page: "calls", item: "%zz", filter: "" }],
])("reads %s", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});

it("reads what it wrote", () => {
  const place = { page: "calls", item: "a/b c", filter: "program:ingest.py (python3)" };
  expect(parseRoute(href(place))).toEqual(place);
});
