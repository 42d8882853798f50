/** Bytes in a line of the hex view. */
export const LINE_BYTES = 16;

/** The bytes that base64 stands for. */
export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (it) => it.charCodeAt(0));
}

/** A stretch of a line, and whether it is lit. */
export interface Stretch {
  from: number;
  to: number;
  lit: boolean;
}

/** One line cut where `range` (first, one after the last) begins and ends. */
export function stretches(line: number, length: number, range: readonly [number, number] | null): Stretch[] {
  const start = line * LINE_BYTES;
  const end = Math.min(start + LINE_BYTES, length);
  const from = Math.min(Math.max(range?.[0] ?? end, start), end);
  const to = Math.min(Math.max(range?.[1] ?? end, from), end);
  return [
    { from: start, to: from, lit: false },
    { from, to, lit: true },
    { from: to, to: end, lit: false },
  ].filter((it) => it.to > it.from);
}

/** Two digits. */
export function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** The character, or a dot for what has none. */
export function charOf(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
}
