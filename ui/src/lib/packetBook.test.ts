import { expect, it, vi } from "vitest";
import type { Api } from "@/api/client";
import type { PacketPage } from "@/api/schema";
import { openFakeHost } from "@/testing/fakeHost";
import { aPacket } from "@/testing/fixtures";
import { PACKETS_LISTED_MAX, PacketBook } from "./packetBook";

function book(...pages: PacketPage[]) {
  const host = openFakeHost({ calls: [], packets: [] });
  const packets = vi.fn(async () => pages.shift() ?? page([]));
  const it = new PacketBook({ packets } as unknown as Api, host, "");
  it.start();
  const listed = () => Array.from({ length: it.ring.length }, (_, at) => it.ring.at(at)?.seq);
  return { host, packets, it, listed };
}

const page = (seqs: number[], capture = 1): PacketPage => ({
  capture,
  packets: seqs.map((seq) => aPacket(seq)),
  newest: seqs.at(-1) ?? null,
  kept: seqs.length,
});

it("puts what came while it fetched behind what it fetched, once each", async () => {
  const { host, it: book_, listed } = book(page([1, 2, 3]));
  await Promise.resolve();
  host.emit({ type: "packets", capture: 1, packets: [3, 4].map((seq) => aPacket(seq)), skipped: 0 });
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  expect(listed()).toEqual([1, 2, 3, 4]);
});

it("fetches on after the last one when the stream opens again", async () => {
  const { host, packets, it: book_, listed } = book(page([1, 2]), page([3, 4]));
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  host.streams[0]?.sink.onState("lost");
  host.streams[0]?.sink.onState("open");
  await vi.waitFor(() => expect(listed()).toEqual([1, 2, 3, 4]));
  expect(packets).toHaveBeenLastCalledWith({ after: 2, limit: 5_000 });
});

it("begins anew with a capture that began anew", async () => {
  // The new one has come further than the old one: its numbers alone do not tell.
  const { host, packets, it: book_, listed } = book(page([1, 2]), page([3, 4], 2), page([1, 2, 3, 4], 2));
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  host.streams[0]?.sink.onState("open");
  await vi.waitFor(() => expect(listed()).toEqual([1, 2, 3, 4]));
  expect(packets.mock.calls).toEqual([[{ limit: 5_000 }], [{ after: 2, limit: 5_000 }], [{ limit: 5_000 }]]);
  expect(book_.capture).toBe(2);
});

it("stays empty when an answer that was under way comes after the capture was cleared", async () => {
  const { it: book_, listed } = book(page([1, 2]), page([], 2), page([], 2));
  book_.clear();
  await vi.waitFor(() => expect(book_.capture).toBe(2));
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  expect(listed()).toEqual([]);
});

it("begins anew when packets of another capture come", async () => {
  const { host, it: book_, listed } = book(page([1, 2]), page([], 2), page([1], 2));
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  host.emit({ type: "packets", capture: 2, packets: [aPacket(1)], skipped: 0 });
  host.emit({ type: "packets", capture: 2, packets: [aPacket(2)], skipped: 0 });
  await vi.waitFor(() => expect(listed()).toEqual([1, 2]));
});

it("fetches page after page until nothing is missing", async () => {
  const many = (from: number) => page(Array.from({ length: 5_000 }, (_, at) => from + at));
  const { host, packets, it: book_ } = book(page([0]), many(1), many(5_001), page([10_001]));
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  host.streams[0]?.sink.onState("open");
  await vi.waitFor(() => expect(book_.ring.length).toBe(10_002));
  expect(packets).toHaveBeenLastCalledWith({ after: 10_000, limit: 5_000 });
});

it("fetches once more when events were lost while it fetched", async () => {
  const { host, packets, it: book_, listed } = book(page([1]), page([2]));
  await Promise.resolve();
  host.emit({ type: "lagged", missed: 3 });
  await vi.waitFor(() => expect(listed()).toEqual([1, 2]));
  expect(packets).toHaveBeenCalledTimes(2);
  expect(book_.loaded).toBe(true);
});

it("keeps the newest and finds them by number", async () => {
  const { host, it: book_ } = book();
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  const packets = Array.from({ length: PACKETS_LISTED_MAX + 10 }, (_, at) => ({
    ...aPacket(1),
    seq: at * 2,
  }));
  host.emit({ type: "packets", capture: 1, packets, skipped: 0 });
  expect(book_.ring.length).toBe(PACKETS_LISTED_MAX);
  expect(book_.indexOf(20)).toBe(0);
  expect(book_.indexOf(21)).toBe(-1);
  expect(book_.indexOf(PACKETS_LISTED_MAX * 2)).toBe(PACKETS_LISTED_MAX - 10);
});
