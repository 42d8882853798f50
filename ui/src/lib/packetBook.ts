import type { Api } from "@/api/client";
import type { EventView, PacketPage, PacketView } from "@/api/schema";
import type { Host, StreamState } from "./host";
import { Ring } from "./ring";
import { Store } from "./store";

/** At most so many packets are listed; the oldest give way. */
export const PACKETS_LISTED_MAX = 100_000;
const PAGE_PACKETS = 5_000;

/** The newest packets of one filter, oldest first, followed live. */
export class PacketBook extends Store {
  readonly ring = new Ring<PacketView>(PACKETS_LISTED_MAX);
  #stop: (() => void) | null = null;
  #waiting: PacketView[] | null = null;
  #newest = -1;
  /** Packets that came too fast to be sent here; the capture file has them. */
  skipped = 0;
  loaded = false;
  error: Error | null = null;
  state: StreamState = "connecting";

  constructor(
    private readonly api: Api,
    private readonly host: Host,
    private readonly filter: string,
  ) {
    super();
  }

  /** Opens the stream; every time it opens, what is missing is fetched. */
  start(): void {
    this.#stop = this.host.events(
      { packets: true, filter: this.filter },
      {
        onEvent: (event) => this.#heard(event),
        onState: (state) => {
          this.state = state;
          if (state === "open" || (state === "lost" && !this.loaded)) void this.#catchUp();
          this.changed();
        },
      },
    );
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
  }

  /** Forgets what is listed. */
  clear(): void {
    this.ring.clear();
    this.skipped = 0;
    this.changed();
  }

  /** Where packet `seq` stands, or -1. */
  indexOf(seq: number): number {
    let low = 0;
    let high = this.ring.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ring.at(middle)?.seq ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return this.ring.at(low)?.seq === seq ? low : -1;
  }

  #heard(event: EventView): void {
    if (event.type === "lagged") void this.#catchUp();
    if (event.type !== "packets") return;
    this.skipped += event.skipped;
    if (this.#waiting !== null) this.#waiting.push(...event.packets);
    else this.#take(event.packets);
    this.changed();
  }

  async #catchUp(): Promise<void> {
    if (this.#waiting !== null) return;
    this.#waiting = [];
    try {
      let page = await this.#page(this.#newest);
      if ((page.newest ?? -1) < this.#newest) {
        // Numbers begin again with every capture: what is listed is of one that has ended.
        this.clear();
        this.#newest = -1;
        page = await this.#page(-1);
      }
      this.#take(page.packets);
      this.error = null;
    } catch (error) {
      this.error = error as Error;
    }
    this.#take(this.#waiting);
    this.#waiting = null;
    this.loaded = true;
    this.changed();
  }

  #page(newest: number): Promise<PacketPage> {
    const after = newest >= 0 ? { after: newest } : {};
    const filter = this.filter === "" ? {} : { filter: this.filter };
    return this.api.packets({ ...after, ...filter, limit: PAGE_PACKETS });
  }

  #take(packets: PacketView[]): void {
    for (const packet of packets) {
      if (packet.seq <= this.#newest) continue;
      this.#newest = packet.seq;
      this.ring.push(packet);
    }
  }
}
