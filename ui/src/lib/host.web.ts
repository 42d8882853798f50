import { createParser } from "eventsource-parser";
import type { EventView } from "@/api/schema";
import type { EventOptions, EventSink, Host, StreamState } from "./host";

const TOKEN_KEY = "tollgate.token";
const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 5_000;

/** A browser: HTTP to the origin that served the page, with the admin token in every request. */
export function openWebHost(): Host {
  takeTokenFromAddress();
  const headers = (): Record<string, string> => {
    const token = sessionStorage.getItem(TOKEN_KEY);
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  };
  return {
    kind: "web",
    token: {
      has: () => sessionStorage.getItem(TOKEN_KEY) !== null,
      set: (token) => sessionStorage.setItem(TOKEN_KEY, token),
    },
    async request(method, path, body) {
      const json: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
      const answer = await fetch(path, {
        method,
        headers: { ...headers(), ...json },
        body: body ?? null,
        cache: "no-store",
      });
      return { status: answer.status, body: await answer.text() };
    },
    events: (options, sink) => follow(options, sink, headers),
    async saveFile(path, name) {
      const answer = await fetch(path, { headers: headers(), cache: "no-store" });
      if (!answer.ok) throw new Error(await refusal(answer));
      const url = URL.createObjectURL(await answer.blob());
      const link = document.createElement("a");
      link.href = url;
      link.download = name;
      link.click();
      URL.revokeObjectURL(url);
      return null;
    },
  };
}

/** `#token=…` is moved out of the address, so that it is neither seen nor bookmarked. */
function takeTokenFromAddress(): void {
  const found = /^#token=([^&]+)&?(.*)$/.exec(location.hash);
  if (found?.[1] === undefined) return;
  sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}${location.search}${found[2] ? `#${found[2]}` : ""}`);
}

async function refusal(answer: Response): Promise<string> {
  try {
    return ((await answer.json()) as { message: string }).message;
  } catch {
    return `the gateway answered ${answer.status}`;
  }
}

function follow(options: EventOptions, sink: EventSink, headers: () => Record<string, string>): () => void {
  const stop = new AbortController();
  const query = new URLSearchParams({ packets: String(options.packets) });
  if (options.filter) query.set("filter", options.filter);
  const tell = (state: StreamState) => {
    if (!stop.signal.aborted) sink.onState(state);
  };
  const run = async () => {
    let retryMs = RETRY_MS_FIRST;
    tell("connecting");
    while (!stop.signal.aborted) {
      try {
        const answer = await fetch(`/api/events?${query}`, { headers: headers(), signal: stop.signal });
        if (answer.status === 401) return tell("refused");
        // What is wanted cannot be read, and will not be read the next time.
        if (answer.status === 400) return tell("lost");
        if (answer.ok && answer.body !== null) {
          tell("open");
          retryMs = RETRY_MS_FIRST;
          await read(answer.body, sink);
        }
      } catch {
        // The stream broke or was stopped; the loop decides which.
      }
      tell("lost");
      await pause(retryMs, stop.signal);
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    }
  };
  void run();
  return () => stop.abort();
}

async function read(body: ReadableStream<Uint8Array>, sink: EventSink): Promise<void> {
  const parser = createParser({ onEvent: ({ data }) => sink.onEvent(JSON.parse(data) as EventView) });
  const text = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(text.decode(value, { stream: true }));
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
