import { createParser } from "eventsource-parser";
import type { EventView } from "@/api/schema";
import type { EventOptions, EventSink, Host, StreamState } from "./host";

const TOKEN_KEY = "tollgate.token";
const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 5_000;
/** The gateway sends something every 15 seconds: a stream that is silent for this long is dead. */
const SILENCE_MS_MAX = 40_000;
/** A list is asked for once at a time: an answer that never comes would end it for good. */
const ANSWER_MS_MAX = 60_000;

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
      onArrived(listener) {
        const changed = () => takeTokenFromAddress() && listener();
        window.addEventListener("hashchange", changed);
        return () => window.removeEventListener("hashchange", changed);
      },
    },
    async request(method, path, body, signal) {
      const json: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
      const late = AbortSignal.timeout(ANSWER_MS_MAX);
      try {
        const answer = await fetch(path, {
          method,
          headers: { ...headers(), ...json },
          body: body ?? null,
          cache: "no-store",
          signal: signal === undefined ? late : AbortSignal.any([signal, late]),
        });
        return { status: answer.status, body: await answer.text() };
      } catch (error) {
        if (!late.aborted) throw error;
        throw new Error(`the gateway did not answer within ${ANSWER_MS_MAX / 1000} seconds`);
      }
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

/** Moves `#token=…` out of the address, so that it is neither seen nor bookmarked; says whether it was there. */
function takeTokenFromAddress(): boolean {
  const found = /^#token=([^&]+)&?(.*)$/.exec(location.hash);
  if (found?.[1] === undefined) return false;
  sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}${location.search}${found[2] ? `#${found[2]}` : ""}`);
  return true;
}

async function refusal(answer: Response): Promise<string> {
  try {
    return ((await answer.json()) as { message: string }).message;
  } catch {
    return `the gateway answered ${answer.status}`;
  }
}

/**
 * A browser opens six connections to a gateway and no more, for all its tabs: only a tab that is seen has a stream.
 */
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
    for (;;) {
      if (document.hidden) await seen(stop.signal);
      if (stop.signal.aborted) return;
      const attempt = new Attempt(stop.signal);
      try {
        const answer = await fetch(`/api/events?${query}`, { headers: headers(), signal: attempt.signal });
        if (answer.status === 401) return tell("refused");
        // What is wanted cannot be read, and will not be read the next time.
        if (answer.status === 400) return tell("lost");
        if (answer.ok && answer.body !== null) {
          tell("open");
          retryMs = RETRY_MS_FIRST;
          await read(answer.body, sink, attempt);
        }
      } catch {
        // The stream broke or was ended; the loop decides which.
      } finally {
        attempt.end();
      }
      // What a hidden tab misses it fetches when it is seen again.
      if (document.hidden) continue;
      tell("lost");
      await pause(retryMs, stop.signal);
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    }
  };
  void run();
  return () => stop.abort();
}

/** One connection: ended by `stop`, by silence, and when its tab is hidden. */
class Attempt {
  readonly #end = new AbortController();
  #silence: ReturnType<typeof setTimeout> | undefined;
  readonly signal = this.#end.signal;

  constructor(stop: AbortSignal) {
    stop.addEventListener("abort", this.end, { signal: this.signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.end(), {
      signal: this.signal,
    });
    this.heard();
  }

  /** Something came: silence begins anew. */
  heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(this.end, SILENCE_MS_MAX);
  }

  readonly end = (): void => {
    clearTimeout(this.#silence);
    this.#end.abort();
  };
}

async function read(body: ReadableStream<Uint8Array>, sink: EventSink, attempt: Attempt): Promise<void> {
  const parser = createParser({ onEvent: ({ data }) => sink.onEvent(JSON.parse(data) as EventView) });
  const text = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    attempt.heard();
    parser.feed(text.decode(value, { stream: true }));
  }
}

/** Resolves when the tab is seen. */
function seen(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = new AbortController();
    const look = () => {
      if (document.hidden && !stop.aborted) return;
      done.abort();
      resolve();
    };
    document.addEventListener("visibilitychange", look, { signal: done.signal });
    stop.addEventListener("abort", look, { signal: done.signal });
  });
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
