import { expect, it } from "vitest";
import { aKey } from "@/testing/keys";
import { entries, keyState, scopeOf } from "./state";

it("says in a line what a key is for", () => {
  expect(scopeOf(aKey("a"))).toBe("anything");
  const scope = {
    models: ["*-mini"],
    routes: ["fast"],
    providers: ["openai", "groq"],
    operations: ["generate"],
  };
  expect(scopeOf(aKey("a", { scope }))).toBe("*-mini, fast; at openai, groq; to generate");
});

it("knows how a key is", () => {
  expect(keyState(aKey("a")).word).toBe("good");
  expect(keyState(aKey("a", { state: "expired" })).tone).toBe("warn");
  expect(keyState(aKey("a", { state: "revoked" })).word).toBe("revoked");
});

it("reads a list written with commas", () => {
  expect(entries(" gpt-5*, ,claude-* ,")).toEqual(["gpt-5*", "claude-*"]);
  expect(entries("")).toEqual([]);
});
