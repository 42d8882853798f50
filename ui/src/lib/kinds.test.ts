import { expect, it } from "vitest";
import { inOrder, isByThePiece, kindName, shortKindName } from "./kinds";

it("names a kind however it is spelt, and an unknown one as it is", () => {
  expect(kindName("cache-read")).toBe("Prompt, read from a cache");
  expect(shortKindName("cache_write_1h")).toBe("Cache write 1 h");
  expect(kindName("smell")).toBe("smell");
});

it("tells pieces from tokens", () => {
  expect(["request", "web_search", "file-search"].every(isByThePiece)).toBe(true);
  expect(["input", "output_image", "smell"].some(isByThePiece)).toBe(false);
});

it("lists the prompt first and what it does not know last", () => {
  const rates = { cache_read: 1, output: 2, smell: 3, input: 4 };
  expect(inOrder(rates).map(([kind]) => kind)).toEqual(["input", "cache_read", "output", "smell"]);
});
