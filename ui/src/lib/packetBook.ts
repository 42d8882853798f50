import type { Api } from "@/api/client";
import type { EventView, PacketView } from "@/api/schema";
import type { Host } from "./host";
import { Ring } from "./ring";
import { Store } from "./store";

/** At most so many packets are listed; the oldest give way. */
export const PACKETS_LISTED_MAX = 100_000;
const PAGE_PACKETS = 5_000;

type PacketBatch = Extract<EventView, { type: "packets" }>;

/** The newest packets of one filter, oldest first, followed live. */
export class PacketBook extends Store {
  readonly ring = new Ring<PacketView>(PACKETS_LISTED_MAX);
  #stop: (() => void) | null = null;
  /** What came while it fetches. */
  #waiting: PacketBatch[] | null = null;
  #again = false;
  #newest = -1;
  /** Which capture the listed packets are of; `null` before the first. */
  capture: number | null = null;
  /** Packets that came too fast to be sent here; the capture file has them. */
  skipped = 0;
  loaded = false;
  error: Error | null = null;

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
          if (state === "open" || (state === "lost" && !this.loaded)) void this.refresh();
        },
      },
    );
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
  }

  /** Forgets what is listed, for the capture was cleared. An answer that is under way is still of before. */
  clear(): void {
    this.#empty();
    void this.refresh();
  }

  #empty(): void {
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

  /** Fetches what is missing. */
  async refresh(): Promise<void> {
    if (this.#waiting !== null) {
      this.#again = true;
      return;
    }
    do {
      this.#again = false;
      this.#waiting = [];
      try {
        while (await this.#fetchOn());
        this.error = null;
      } catch (error) {
        this.error = error as Error;
      }
      for (const it of this.#waiting) {
        if (it.capture === this.capture) this.#take(it.packets);
        else this.#again ||= this.error === null;
      }
      this.#waiting = null;
    } while (this.#again);
    this.loaded = true;
    this.changed();
  }

  #heard(event: EventView): void {
    if (event.type === "lagged") void this.refresh();
    if (event.type !== "packets") return;
    this.skipped += event.skipped;
    if (this.#waiting !== null) this.#waiting.push(event);
    else if (event.capture === this.capture) this.#take(event.packets);
    else void this.refresh();
    this.changed();
  }

  /** Fetches what follows the newest packet, or the newest page; says whether there is more. */
  async #fetchOn(): Promise<boolean> {
    const after = this.#newest >= 0 ? { after: this.#newest } : {};
    const filter = this.filter === "" ? {} : { filter: this.filter };
    const page = await this.api.packets({ ...after, ...filter, limit: PAGE_PACKETS });
    if (page.capture !== this.capture) {
      // Numbers begin again with every capture: what is listed is of one that has ended.
      const asked = this.#newest;
      this.#empty();
      this.#newest = -1;
      this.capture = page.capture;
      if (asked >= 0) return true;
    }
    this.#take(page.packets);
    return "after" in after && page.packets.length === PAGE_PACKETS;
  }

  #take(packets: PacketView[]): void {
    for (const packet of packets) {
      if (packet.seq <= this.#newest) continue;
      this.#newest = packet.seq;
      this.ring.push(packet);
    }
  }
}
