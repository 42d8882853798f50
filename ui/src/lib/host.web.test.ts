import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { EventView } from "@/api/schema";
import type { StreamState } from "./host";
import { openWebHost } from "./host.web";

const fetched = vi.fn<typeof fetch>();

beforeEach(() => vi.stubGlobal("fetch", fetched));
afterEach(() => {
  vi.unstubAllGlobals();
  fetched.mockReset();
});

/** A host whose stream answers with `answers`, one after the other, then never again. */
function follow(...answers: Response[]) {
  for (const answer of answers) fetched.mockResolvedValueOnce(answer);
  fetched.mockImplementation(() => new Promise(() => undefined));
  const events: EventView[] = [];
  const states: StreamState[] = [];
  const stop = openWebHost().events(
    { packets: true, filter: "port:443" },
    { onEvent: (event) => events.push(event), onState: (state) => states.push(state) },
  );
  return { events, states, stop };
}

function stream(...chunks: Uint8Array[]): Response {
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    }),
  );
}

it("takes the token out of the address and sends it with every request", async () => {
  history.replaceState(null, "", "/#token=s3cr%20et&/packets");
  fetched.mockResolvedValue(new Response("{}"));
  const host = openWebHost();
  expect(location.hash).toBe("#/packets");
  expect(host.token?.has()).toBe(true);
  await host.request("GET", "/api/status");
  expect(fetched.mock.calls[0]?.[1]?.headers).toMatchObject({ Authorization: "Bearer s3cr et" });
});

it("knows when it has no token", () => {
  expect(openWebHost().token?.has()).toBe(false);
});

it("reads events however the stream is cut, inside of characters too", async () => {
  const text = new TextEncoder().encode(
    `: ping\n\ndata: {"type":"lagged","missed":1}\r\n\r\nevent: x\ndata: {"type":"call","é":"🙂"}\n\n`,
  );
  for (let at = 1; at < text.length; at += 1) {
    const { events, stop } = follow(stream(text.slice(0, at), text.slice(at)));
    await vi.waitFor(() =>
      expect(events).toEqual([
        { type: "lagged", missed: 1 },
        { type: "call", é: "🙂" },
      ]),
    );
    stop();
    fetched.mockReset();
  }
});

it("sends what is wanted", () => {
  follow();
  expect(fetched.mock.calls[0]?.[0]).toBe("/api/events?packets=true&filter=port%3A443");
});

it("opens the stream again when it breaks", async () => {
  vi.useFakeTimers();
  const { states, stop } = follow(stream(), stream());
  await vi.advanceTimersByTimeAsync(600);
  expect(states).toEqual(["connecting", "open", "lost", "open", "lost"]);
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetched).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});

it("does not try again with a token that was refused", async () => {
  const { states } = follow(new Response("{}", { status: 401 }));
  await vi.waitFor(() => expect(states).toEqual(["connecting", "refused"]));
  expect(fetched).toHaveBeenCalledTimes(1);
});

it("does not try again with a filter that cannot be read", async () => {
  const { states } = follow(new Response("{}", { status: 400 }));
  await vi.waitFor(() => expect(states).toEqual(["connecting", "lost"]));
  expect(fetched).toHaveBeenCalledTimes(1);
});

/** An answer that goes on for ever and says what it is told to. */
function endless(signal: AbortSignal | null | undefined) {
  let say = (_: string): void => undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      say = (text) => controller.enqueue(new TextEncoder().encode(text));
      signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
    },
  });
  return { answer: new Response(body), say: (text: string) => say(text) };
}

/** A host whose every stream is endless. */
function listen() {
  const streams: ReturnType<typeof endless>[] = [];
  fetched.mockImplementation(async (_, init) => {
    const stream = endless(init?.signal);
    streams.push(stream);
    return stream.answer;
  });
  const states: StreamState[] = [];
  const stop = openWebHost().events(
    { packets: false },
    { onEvent: () => undefined, onState: (state) => states.push(state) },
  );
  return { streams, states, stop };
}

it("opens a stream again that has been silent for too long", async () => {
  vi.useFakeTimers();
  const { streams, states, stop } = listen();
  await vi.advanceTimersByTimeAsync(30_000);
  streams[0]?.say(": alive\n\n");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(states).toEqual(["connecting", "open"]);
  await vi.advanceTimersByTimeAsync(11_000);
  expect(states).toEqual(["connecting", "open", "lost", "open"]);
  stop();
  await vi.advanceTimersByTimeAsync(100_000);
  expect(fetched).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});

it("has no stream in a hidden tab, and opens one when it is seen again", async () => {
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(false);
  const turn = (to: boolean) => {
    hidden.mockReturnValue(to);
    document.dispatchEvent(new Event("visibilitychange"));
  };
  const { states, stop } = listen();
  await vi.waitFor(() => expect(states).toEqual(["connecting", "open"]));
  const { signal } = fetched.mock.calls[0]?.[1] ?? {};
  turn(true);
  expect(signal?.aborted).toBe(true);
  await new Promise((resolve) => setTimeout(resolve));
  turn(false);
  await vi.waitFor(() => expect(states).toEqual(["connecting", "open", "open"]));
  stop();
  hidden.mockRestore();
});

it("takes a token out of an address that is pasted into the tab", () => {
  const arrived = vi.fn();
  const { token } = openWebHost();
  const end = token?.onArrived(arrived);
  history.replaceState(null, "", "/#/packets");
  window.dispatchEvent(new HashChangeEvent("hashchange"));
  expect(arrived).not.toHaveBeenCalled();
  history.replaceState(null, "", "/#token=fresh");
  window.dispatchEvent(new HashChangeEvent("hashchange"));
  expect(arrived).toHaveBeenCalledOnce();
  expect(token?.has()).toBe(true);
  expect(location.href).not.toContain("fresh");
  end?.();
});

it("does not wait for an answer for ever", async () => {
  const late = new AbortController();
  const limit = vi.spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
  fetched.mockImplementation(
    (_, init) =>
      new Promise((_, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      }),
  );
  const asked = openWebHost().request("GET", "/api/calls", undefined, new AbortController().signal);
  late.abort();
  await expect(asked).rejects.toThrow("the gateway did not answer within 60 seconds");
  limit.mockRestore();
});
