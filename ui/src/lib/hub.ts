import type { Api } from "@/api/client";
import type { CallView, EventView, StatusView } from "@/api/schema";
import type { Host, StreamState } from "./host";
import { Store } from "./store";

/** Who listens to calls. */
export interface CallListener {
  heard(call: CallView): void;
  /** Events may have been missed. */
  refresh(): void;
}

/** The one live stream of calls and status that every page shares. */
export class Hub extends Store {
  readonly #listeners = new Set<CallListener>();
  /** How the stream stands. */
  state: StreamState = "connecting";
  /** The newest status heard. */
  status: StatusView | null = null;
  /** How many calls were settled since the start: sums are stale when it changes. */
  settled = 0;
  /** How many events of calls there were since the start. */
  moved = 0;
  /** Why the status could not be had. */
  error: Error | null = null;

  constructor(
    private readonly host: Host,
    private readonly api: Api,
    private readonly onRefused: () => void,
  ) {
    super();
  }

  /** Opens the stream; the answer stops it. */
  start(): () => void {
    void this.refreshStatus();
    return this.host.events(
      { packets: false },
      {
        onEvent: (event) => this.#heard(event),
        onState: (state) => {
          this.state = state;
          if (state === "refused") this.onRefused();
          if (state === "open") this.#refresh();
          this.changed();
        },
      },
    );
  }

  listen(listener: CallListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a status that came as an answer. */
  setStatus(status: StatusView): void {
    this.status = status;
    this.error = null;
    this.changed();
  }

  async refreshStatus(): Promise<void> {
    try {
      this.setStatus(await this.api.status());
    } catch (error) {
      this.error = error as Error;
      this.changed();
    }
  }

  #heard(event: EventView): void {
    if (event.type === "status") this.setStatus(event.status);
    else if (event.type === "lagged") this.#refresh();
    else if (event.type === "call") {
      for (const it of this.#listeners) it.heard(event.call);
      this.moved += 1;
      if (event.call.state !== "live") this.settled += 1;
      this.changed();
    }
  }

  #refresh(): void {
    void this.refreshStatus();
    this.settled += 1;
    this.moved += 1;
    for (const it of this.#listeners) it.refresh();
  }
}
