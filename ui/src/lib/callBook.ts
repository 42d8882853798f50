import type { Api } from "@/api/client";
import type { CallPage, CallView } from "@/api/schema";
import type { CallFilter } from "./callFilter";
import { Store } from "./store";

/** At most so many calls are listed; older ones are left to the next page of the ledger. */
export const CALLS_LISTED_MAX = 100_000;
const PAGE_CALLS = 200;
/** With a filter only the server knows what belongs in the list: it is asked at most this often. */
const REFETCH_MS = 1_000;

/** The calls of one filter, newest first, kept current by `heard`. */
export class CallBook extends Store {
  #rows: CallView[] = [];
  #arrived = new Map<string, CallView>();
  #beganAt = new Map<string, number>();
  #next: string | null = null;
  #loading = false;
  #refetch: ReturnType<typeof setTimeout> | undefined;
  /** What was heard while the newest page is on its way: newer than the page. */
  #meanwhile: CallView[] | null = null;
  #again = false;
  /** Whether the first page has come. */
  loaded = false;
  /** How many calls the search did not reach, because they are still being read. */
  unread = 0;
  /** Why the last request failed. */
  error: Error | null = null;

  constructor(
    private readonly api: Api,
    private readonly filter: CallFilter,
  ) {
    super();
  }

  get length(): number {
    return this.#rows.length;
  }

  at(index: number): CallView | undefined {
    return this.#rows[index];
  }

  indexOf(id: string): number {
    const at = position(this.#rows, id);
    return this.#rows[at]?.id === id ? at : -1;
  }

  /** Whether older calls can be fetched. */
  get more(): boolean {
    return this.#next !== null && this.#rows.length < CALLS_LISTED_MAX;
  }

  /** When a live call began, on the clock of `performance.now`. */
  beganAt(id: string): number | undefined {
    return this.#beganAt.get(id);
  }

  /** Fetches the newest page and merges it; asked again meanwhile, it fetches once more. */
  async refresh(): Promise<void> {
    clearTimeout(this.#refetch);
    this.#refetch = undefined;
    if (this.#meanwhile !== null) {
      this.#again = true;
      return;
    }
    do {
      this.#again = false;
      this.#meanwhile = [];
      try {
        const page = await this.api.calls({ ...this.filter, limit: PAGE_CALLS });
        this.#merge(page, this.#meanwhile);
        this.unread = page.unread ?? 0;
        this.loaded = true;
        this.error = null;
      } catch (error) {
        this.error = error as Error;
      }
      this.#meanwhile = null;
    } while (this.#again);
    this.changed();
  }

  /** Fetches the next older page, unless one is on its way. */
  async older(): Promise<void> {
    const before = this.#next;
    if (this.#loading || !this.more || before === null) return;
    this.#loading = true;
    try {
      const page = await this.api.calls({ ...this.filter, limit: PAGE_CALLS, before });
      // Else the list was begun anew meanwhile, and this page does not join it.
      if (this.#next === before) {
        this.#next = page.next ?? null;
        for (const call of page.calls) this.#take(call);
      }
    } catch (error) {
      this.error = error as Error;
    }
    this.#loading = false;
    this.changed();
  }

  /** A call began, moved on or was settled. */
  heard(call: CallView): void {
    this.#meanwhile?.push(call);
    if (this.#filtered && (this.indexOf(call.id) < 0 || this.filter.state !== undefined)) {
      this.#refetch ??= setTimeout(() => void this.refresh(), REFETCH_MS);
      return;
    }
    this.#take(call);
    if (this.#arrived.size > CALLS_LISTED_MAX) this.beforeFrame();
    this.changed();
  }

  /** A call was deleted. */
  forget(id: string): void {
    this.beforeFrame();
    this.#rows = this.#rows.filter((it) => it.id !== id);
    this.changed();
  }

  stop(): void {
    clearTimeout(this.#refetch);
  }

  protected override beforeFrame(): void {
    const fresh: CallView[] = [];
    for (const call of this.#arrived.values()) {
      const at = this.indexOf(call.id);
      if (at >= 0) this.#rows[at] = call;
      else fresh.push(call);
    }
    this.#arrived.clear();
    if (fresh.length === 0) return;
    fresh.sort(newestFirst);
    const first = this.#rows[0];
    const last = fresh.at(-1);
    const onTop = first === undefined || last === undefined || last.id > first.id;
    const merged = onTop ? fresh.concat(this.#rows) : fresh.concat(this.#rows).sort(newestFirst);
    this.#rows = merged.slice(0, CALLS_LISTED_MAX);
  }

  get #filtered(): boolean {
    return Object.keys(this.filter).length > 0;
  }

  /** Puts the newest page, and what was heard since it was asked for, in the place of what was listed of its time. */
  #merge({ calls, next }: CallPage, since: CallView[]): void {
    this.beforeFrame();
    const paged = new Set(calls.map((it) => it.id));
    // Calls under way come first, whatever their age: the last one tells how far the page reaches.
    const oldest = calls.at(-1)?.id ?? "";
    const older = this.#rows.filter((it) => it.id < oldest && !paged.has(it.id));
    // Without a next page this one is all there is. With one, older rows stay if it reaches them, unless one of them
    // was settled unheard.
    const joined =
      next != null &&
      calls.some((it) => it.state !== "live" && this.indexOf(it.id) >= 0) &&
      older.every((it) => it.state !== "live");
    if (!joined || !this.loaded) this.#next = next ?? null;
    this.#rows = this.#rows.filter(({ id }) => paged.has(id) || (joined && id < oldest));
    this.#beganAt.clear();
    for (const call of calls) this.#take(call);
    this.beforeFrame();
    // Only the server knows what belongs in a filtered list: there, nothing is added.
    for (const call of since) if (!this.#filtered || this.indexOf(call.id) >= 0) this.#take(call);
    this.beforeFrame();
  }

  #take(call: CallView): void {
    const known = this.#arrived.get(call.id) ?? this.#rows[this.indexOf(call.id)];
    // A call is settled once: what says otherwise is older.
    if (call.state === "live" && known !== undefined && known.state !== "live") return;
    this.#arrived.set(call.id, call);
    if (call.state === "live") this.#beganAt.set(call.id, performance.now() - call.duration_us / 1000);
    else this.#beganAt.delete(call.id);
  }
}

// Ids are UUIDs of version 7: their order is the order of time.
function newestFirst(a: CallView, b: CallView): number {
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

/** Where `id` stands or would stand. */
function position(rows: CallView[], id: string): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.id ?? "") > id) low = middle + 1;
    else high = middle;
  }
  return low;
}
