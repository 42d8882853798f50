/** Whole pico-dollars (10⁻¹² US dollars), as the admin API writes them. */
export type Pico = string | bigint;

const PICO_DIGITS = 12;
const PICO_PER_DOLLAR = 10n ** BigInt(PICO_DIGITS);
const TOKENS_PER_RATE = 1_000_000n;

/** Every digit, at least two decimals: `$1,234.50`, `$0.0000375`. */
export function exactDollars(pico: Pico): string {
  const { sign, whole, fraction } = split(BigInt(pico));
  const digits = fraction.replace(/0+$/, "").padEnd(2, "0");
  return `${sign}$${grouped(whole)}.${digits}`;
}

/** Rounded half away from zero to `decimals` (0 to 12). */
export function roundedDollars(pico: Pico, decimals: number): string {
  const step = 10n ** BigInt(PICO_DIGITS - decimals);
  const value = BigInt(pico);
  const half = value < 0n ? -step / 2n : step / 2n;
  const { sign, whole, fraction } = split(((value + half) / step) * step);
  return `${sign}$${grouped(whole)}${decimals > 0 ? `.${fraction.slice(0, decimals)}` : ""}`;
}

/** For a heading: two decimals from a dollar on, else four digits that mean something, never `$0.00` for a cost. */
export function shortDollars(pico: Pico): string {
  const value = BigInt(pico);
  const size = value < 0n ? -value : value;
  if (size === 0n || size >= PICO_PER_DOLLAR) return roundedDollars(value, 2);
  const zeros = PICO_DIGITS - size.toString().length;
  return trimmed(roundedDollars(value, Math.min(zeros + 4, PICO_DIGITS)));
}

/** For a column: so many decimals in every row, to compare by eye; more where they would show nothing. */
export function columnDollars(pico: Pico, decimals: number): string {
  const value = BigInt(pico);
  const rounded = roundedDollars(value, decimals);
  return value !== 0n && !/[1-9]/.test(rounded) ? shortDollars(value) : rounded;
}

/** How many decimals `columnDollars` gives the one of `amounts` with the most. */
export function columnDigits(amounts: Pico[], decimals: number): number {
  const lengths = amounts.map((it) => columnDollars(it, decimals).split(".")[1]?.length ?? 0);
  return Math.max(0, ...lengths);
}

/** A difference: `+$1.23`, `−$0.045`, `$0.00`. */
export function signedDollars(pico: Pico): string {
  const value = BigInt(pico);
  if (value === 0n) return shortDollars(value);
  return value < 0n ? `−${shortDollars(-value)}` : `+${shortDollars(value)}`;
}

/** The price of a million, the unit of every provider's price list: `$2.50`. */
export function dollarsPerMillion(picoPerOne: Pico): string {
  return exactDollars(BigInt(picoPerOne) * TOKENS_PER_RATE);
}

/** Dollars as a float, for the height of a bar and nothing else. */
export function chartDollars(pico: Pico): number {
  return Number(BigInt(pico)) / Number(PICO_PER_DOLLAR);
}

/** `part` of `whole` from 0 to 1, for the width of a bar. */
export function share(part: Pico, whole: Pico): number {
  const all = BigInt(whole);
  return all === 0n ? 0 : Number((BigInt(part) * 10_000n) / all) / 10_000;
}

function split(value: bigint): { sign: string; whole: string; fraction: string } {
  const digits = (value < 0n ? -value : value).toString().padStart(PICO_DIGITS + 1, "0");
  return {
    sign: value < 0n ? "-" : "",
    whole: digits.slice(0, -PICO_DIGITS),
    fraction: digits.slice(-PICO_DIGITS),
  };
}

function grouped(whole: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, ",");
}

function trimmed(amount: string): string {
  return amount.replace(/(\.\d\d\d*?)0+$/, "$1");
}
