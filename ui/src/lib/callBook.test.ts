import { expect, it, vi } from "vitest";
import type { Api } from "@/api/client";
import type { CallPage } from "@/api/schema";
import { aCall, callId } from "@/testing/fixtures";
import { CallBook } from "./callBook";
import type { CallFilter } from "./callFilter";

function book(filter: CallFilter, ...pages: CallPage[]) {
  const calls = vi.fn(async () => pages.shift() ?? { calls: [], next: null });
  return { calls, book: new CallBook({ calls } as unknown as Api, filter) };
}

const page = (ats: number[], next: string | null = null): CallPage => ({
  calls: ats.map((at) => aCall(at)),
  next,
});

async function listed(it: CallBook): Promise<string[]> {
  await new Promise((resolve) => requestAnimationFrame(resolve));
  return Array.from({ length: it.length }, (_, at) => it.at(at)?.id ?? "");
}

it("keeps the order of time whatever order calls come in", async () => {
  const { book: it } = book({}, page([5, 3]));
  await it.refresh();
  await listed(it);
  for (const at of [7, 4, 9, 3]) it.heard(aCall(at));
  expect(await listed(it)).toEqual([9, 7, 5, 4, 3].map(callId));
  expect(it.above).toBe(2);
  expect(it.indexOf(callId(4))).toBe(3);
  expect(it.indexOf(callId(6))).toBe(-1);
});

it("makes one version of any number of events in a frame", async () => {
  const { book: it } = book({});
  const heard = vi.fn();
  it.subscribe(heard);
  for (let at = 1; at <= 5_000; at += 1) it.heard(aCall(at));
  expect(await listed(it)).toHaveLength(5_000);
  expect(heard).toHaveBeenCalledTimes(1);
});

it("drops the older calls when a gap lies before them, and fetches on from the page", async () => {
  const { book: it } = book({}, page([2, 1]), page([90, 89], callId(89)));
  await it.refresh();
  await listed(it);
  await it.refresh();
  expect(await listed(it)).toEqual([90, 89].map(callId));
  expect(it.more).toBe(true);
});

it("keeps older pages when the newest page joins them", async () => {
  const { book: it } = book({}, page([5, 4], callId(4)), page([3, 2]), page([6, 5], callId(5)));
  await it.refresh();
  await it.older();
  expect(await listed(it)).toEqual([5, 4, 3, 2].map(callId));
  await it.refresh();
  expect(await listed(it)).toEqual([6, 5, 4, 3, 2].map(callId));
  expect(it.more).toBe(false);
});

it("asks the gateway what belongs in a filtered list", async () => {
  vi.useFakeTimers();
  const { book: it, calls } = book({ state: "live" }, page([5, 4]), page([5]));
  await it.refresh();
  it.heard(aCall(4, { state: "finished" }));
  it.heard(aCall(6));
  await vi.advanceTimersByTimeAsync(1_100);
  expect(calls).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
  expect(await listed(it)).toEqual([callId(5)]);
});

it("counts a live call from when it began", async () => {
  const { book: it } = book({});
  it.heard(aCall(1, { state: "live", duration_us: 2_000_000 }));
  expect(performance.now() - (it.beganAt(callId(1)) ?? 0)).toBeGreaterThanOrEqual(2_000);
  it.heard(aCall(1));
  expect(it.beganAt(callId(1))).toBeUndefined();
});
