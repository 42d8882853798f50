/** The last `capacity` things, oldest first; adding one more forgets the oldest. */
export class Ring<T> {
  readonly #slots: (T | undefined)[] = [];
  #start = 0;
  #length = 0;

  constructor(readonly capacity: number) {}

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** The thing at `index`, 0 being the oldest. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#slots[(this.#start + index) % this.capacity];
  }

  push(thing: T): void {
    if (this.#length < this.capacity) {
      this.#slots[(this.#start + this.#length) % this.capacity] = thing;
      this.#length += 1;
      return;
    }
    this.#slots[this.#start] = thing;
    this.#start = (this.#start + 1) % this.capacity;
  }

  clear(): void {
    this.#slots.length = 0;
    this.#start = 0;
    this.#length = 0;
  }
}
