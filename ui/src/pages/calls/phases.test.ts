import { expect, it } from "vitest";
import type { TimingView } from "@/api/schema";
import { phases } from "./phases";

const check = (timing: TimingView, expected: [string, number, number][]) => {
  const found = phases(timing);
  expect(found.map((it) => [it.id, it.fromUs, it.tookUs])).toEqual(expected);
  expect(found.reduce((sum, it) => sum + it.tookUs, 0)).toBe(timing.finished_us);
};

it("parts the whole of a call", () => {
  check(
    {
      received_us: 100,
      connected_us: 400,
      connect_took_us: 300,
      headers_us: 900,
      first_byte_us: 950,
      first_token_us: 1000,
      finished_us: 5000,
    },
    [
      ["received", 0, 100],
      ["connect", 100, 300],
      ["headers", 400, 500],
      ["first-byte", 900, 50],
      ["first-token", 950, 50],
      ["rest", 1000, 4000],
    ],
  );
});

it("gives the time of an unknown moment to the next", () => {
  check({ received_us: 100, finished_us: 700 }, [
    ["received", 0, 100],
    ["rest", 100, 600],
  ]);
});

it("does not run backwards when an upload outlasts the connecting", () => {
  check({ received_us: 500, connected_us: 400, connect_took_us: 100, finished_us: 700 }, [
    ["received", 0, 500],
    ["rest", 500, 200],
  ]);
});

it("says when a pooled connection served", () => {
  const found = phases({ received_us: 1, connected_us: 2, finished_us: 3 });
  expect(found.find((it) => it.id === "connect")?.note).toContain("pooled");
});
