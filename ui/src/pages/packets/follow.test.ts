import { expect, it } from "vitest";
import { aStream } from "@/testing/fixtures";
import { callWords, joined, lacks, mcpWords, TEXT_BYTES_MAX, turns } from "./follow";

it("puts the pieces of one side together until the other speaks, and keeps gaps in their place", () => {
  const { shown, hidden } = turns(aStream().pieces);
  expect(shown.map((it) => [it.toward, it.missing])).toEqual([
    ["server", null],
    ["client", null],
    ["client", "120 bytes were not copied"],
    ["client", null],
  ]);
  expect(shown[0]?.text).toContain('******\r\n\r\n{"model"');
  expect(hidden).toBe(0);
});

it("reads a character that two packets share, and stops where the page would get slow", () => {
  const piece = (bytes: number[]) => ({
    ...(aStream().pieces[0] as ReturnType<typeof aStream>["pieces"][number]),
    bytes_base64: btoa(String.fromCharCode(...bytes)),
  });
  expect(turns([piece([0x68, 0xc3]), piece([0xa4])]).shown[0]?.text).toBe("hä");
  const long = Array.from({ length: 9 }, () => piece(new Array(TEXT_BYTES_MAX / 8).fill(0x61)));
  const { shown, hidden } = turns(long);
  expect([shown[0]?.text.length, hidden]).toEqual([TEXT_BYTES_MAX, TEXT_BYTES_MAX / 8]);
});

it("joins the bytes of one direction", () => {
  const text = new TextDecoder().decode(joined(aStream().pieces, "client"));
  expect(text).toBe("HTTP/1.1 200 OK\r\n\r\ndata: one\n\ndata: two\n\n");
});

it("says what is missing, and nothing where nothing is", () => {
  const end = aStream().client;
  expect(lacks(end)).toBeNull();
  expect(lacks({ ...end, from_beginning: false, unseen: 1_234, disputed: 3, cut: true })).toBe(
    "the beginning is not kept, 1,234 bytes were not seen, 3 bytes came again as others, the rest is too long to be shown",
  );
});

it("tells calls and MCP messages in words, without what is not known", () => {
  expect(callWords({ format: "Gemini", model: null, stream: false, tools: 0, input: 0 })).toBe(
    "Gemini · 0 tokens in",
  );
  expect(mcpWords({ method: "tools/call", tool: "search", id: "7", session: null, error: null })).toBe(
    "MCP tools/call · tool search · id 7",
  );
  expect(mcpWords({ error: "no" })).toBe("MCP answer · error: no");
});
