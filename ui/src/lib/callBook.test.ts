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

function ids(it: CallBook): string[] {
  return Array.from({ length: it.length }, (_, at) => it.at(at)?.id ?? "");
}

async function listed(it: CallBook): Promise<string[]> {
  await new Promise((resolve) => requestAnimationFrame(resolve));
  return ids(it);
}

/** A book whose requests are answered by hand, in the order they were made. */
function slowBook(filter: CallFilter = {}) {
  const waiting: ((page: CallPage) => void)[] = [];
  const calls = () => new Promise<CallPage>((resolve) => waiting.push(resolve));
  const answer = async (page: CallPage) => {
    waiting.shift()?.(page);
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { book: new CallBook({ calls } as unknown as Api, filter), answer, waiting };
}

it("keeps the order of time whatever order calls come in", async () => {
  const { book: it } = book({}, page([5, 3]));
  await it.refresh();
  await listed(it);
  for (const at of [7, 4, 9, 3]) it.heard(aCall(at));
  expect(await listed(it)).toEqual([9, 7, 5, 4, 3].map(callId));
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

it("never lacks a row that it lists, not for the time of a frame either", async () => {
  const { book: it } = book({}, page([3, 2, 1]), page([4, 3, 2, 1]));
  await it.refresh();
  expect(ids(it)).toEqual([3, 2, 1].map(callId));
  await it.refresh();
  expect(ids(it)).toEqual([4, 3, 2, 1].map(callId));
});

it("keeps what it heard while the page was on its way", async () => {
  const { book: it, answer } = slowBook();
  void it.refresh();
  it.heard(aCall(2, { state: "live", status: 200 }));
  it.heard(aCall(3));
  await answer({ calls: [aCall(2, { state: "live", status: null }), aCall(1)], next: null });
  expect(ids(it)).toEqual([3, 2, 1].map(callId));
  expect(it.at(1)?.status).toBe(200);
});

it("never takes a settled call for a live one again", async () => {
  const { book: it } = book({}, { calls: [aCall(1, { state: "live" })], next: null });
  it.heard(aCall(1));
  await it.refresh();
  it.heard(aCall(1, { state: "live" }));
  await listed(it);
  expect(it.at(0)?.state).toBe("finished");
});

it("fetches older calls anew when one of them was settled unheard", async () => {
  const { book: it } = book(
    {},
    { calls: [aCall(1, { state: "live" })], next: null },
    page([5, 4], callId(4)),
    page([3, 2, 1]),
  );
  await it.refresh();
  for (const at of [2, 3, 4]) it.heard(aCall(at));
  await it.refresh();
  expect(ids(it)).toEqual([5, 4].map(callId));
  await it.older();
  expect(await listed(it)).toEqual([5, 4, 3, 2, 1].map(callId));
  expect(it.at(4)?.state).toBe("finished");
});

it("does not take a live call in both for a page that joins", async () => {
  const long = aCall(1, { state: "live" });
  const { book: it } = book(
    {},
    { calls: [long, aCall(3), aCall(2)], next: callId(2) },
    { calls: [long, aCall(90), aCall(89)], next: callId(89) },
  );
  await it.refresh();
  await it.refresh();
  expect(ids(it)).toEqual([90, 89, 1].map(callId));
});

it("asks one at a time, and once more when asked meanwhile", async () => {
  const { book: it, answer, waiting } = slowBook();
  void it.refresh();
  void it.refresh();
  void it.refresh();
  expect(waiting).toHaveLength(1);
  await answer(page([1]));
  expect(waiting).toHaveLength(1);
  await answer(page([2, 1]));
  expect(waiting).toHaveLength(0);
  expect(ids(it)).toEqual([2, 1].map(callId));
});
