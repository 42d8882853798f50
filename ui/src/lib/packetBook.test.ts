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

const page = (seqs: number[]): PacketPage => ({
  packets: seqs.map((seq) => aPacket(seq)),
  newest: seqs.at(-1) ?? null,
  kept: seqs.length,
});

it("puts what came while it fetched behind what it fetched, once each", async () => {
  const { host, it: book_, listed } = book(page([1, 2, 3]));
  await Promise.resolve();
  host.emit({ type: "packets", packets: [3, 4].map((seq) => aPacket(seq)), skipped: 0 });
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
  const {
    host,
    it: book_,
    listed,
  } = book(page([900, 901]), { packets: [], newest: 2, kept: 2 }, page([1, 2]));
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  host.streams[0]?.sink.onState("open");
  await vi.waitFor(() => expect(listed()).toEqual([1, 2]));
});

it("keeps the newest and finds them by number", async () => {
  const { host, it: book_ } = book();
  await vi.waitFor(() => expect(book_.loaded).toBe(true));
  const packets = Array.from({ length: PACKETS_LISTED_MAX + 10 }, (_, at) => ({
    ...aPacket(1),
    seq: at * 2,
  }));
  host.emit({ type: "packets", packets, skipped: 0 });
  expect(book_.ring.length).toBe(PACKETS_LISTED_MAX);
  expect(book_.indexOf(20)).toBe(0);
  expect(book_.indexOf(21)).toBe(-1);
  expect(book_.indexOf(PACKETS_LISTED_MAX * 2)).toBe(PACKETS_LISTED_MAX - 10);
});
