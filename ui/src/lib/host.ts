import { Channel, invoke } from "@tauri-apps/api/core";
import type { ErrorView, EventView } from "@/api/schema";
import { openWebHost } from "./host.web";

/** What the admin API answered. */
export interface HostResponse {
  status: number;
  /** The body as text; JSON, save for files. */
  body: string;
}

/** Which events to send. */
export interface EventOptions {
  /** With packets; without, only calls and the status. */
  packets: boolean;
  /** Which packets, in the packet filter's language; empty for all. */
  filter?: string;
}

/** How a stream of events stands. `refused`: the token was not accepted, and no retry is made. */
export type StreamState = "connecting" | "open" | "lost" | "refused";

/** Where events go. */
export interface EventSink {
  onEvent(event: EventView): void;
  /** Events may have been missed before every `open`: fetch again then. */
  onState(state: StreamState): void;
}

/** The admin token of a browser; the window needs none. */
export interface TokenHolder {
  has(): boolean;
  set(token: string): void;
  /** Tells of a token that came with an address pasted into this tab; the answer ends it. */
  onArrived(listener: () => void): () => void;
}

/** Whoever shows the page: the desktop window or a browser. The rest of the UI knows nothing else. */
export interface Host {
  readonly kind: "desktop" | "web";
  readonly token?: TokenHolder;
  /** Sends a request to the admin API; rejects only when no answer came at all. With `signal` nobody waits for it. */
  request(method: string, path: string, body?: string, signal?: AbortSignal): Promise<HostResponse>;
  /** Starts a stream of events, which is opened again when it breaks; the answer stops it. */
  events(options: EventOptions, sink: EventSink): () => void;
  /** Saves what a GET of `path` answers as a file; resolves to where it is, or `null` when the browser decides. */
  saveFile(path: string, name: string): Promise<string | null>;
}

/** The host of this page. */
export function openHost(): Host {
  return "__TAURI_INTERNALS__" in window ? openDesktopHost() : openWebHost();
}

function openDesktopHost(): Host {
  return {
    kind: "desktop",
    request: (method, path, body) => asked<HostResponse>("api", { method, path, body: body ?? null }),
    events(options, sink) {
      const channel = new Channel<EventView>();
      let stopped = false;
      channel.onmessage = (event) => {
        if (!stopped) sink.onEvent(event);
      };
      sink.onState("connecting");
      const id = invoke<number>("events", {
        packets: options.packets,
        filter: options.filter ?? "",
        channel,
      });
      id.then(
        () => !stopped && sink.onState("open"),
        () => !stopped && sink.onState("lost"),
      );
      return () => {
        stopped = true;
        // A stream that never started needs no stop.
        id.then((started) => invoke("events_stop", { id: started })).catch(() => undefined);
      };
    },
    saveFile: (path, name) => asked<string>("save_file", { path, name }),
  };
}

/** Asks the window; what it refuses with is a text, or the API's error as one. */
async function asked<T>(command: string, values: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, values);
  } catch (refusal) {
    throw new Error(spoken(String(refusal)));
  }
}

function spoken(refusal: string): string {
  try {
    return (JSON.parse(refusal) as ErrorView).message;
  } catch {
    return refusal;
  }
}
