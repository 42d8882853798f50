import type { TimingView } from "@/api/schema";

/** A stretch of a call's time. */
export interface Phase {
  id: string;
  name: string;
  note: string;
  colour: string;
  fromUs: number;
  tookUs: number;
}

/**
 * The stretches between the moments that are known; the sum of them is the whole. A moment that is not
 * known, or that came before the one ahead of it, ends no stretch: its time counts to the next.
 */
export function phases(timing: TimingView): Phase[] {
  const pooled = timing.connected_us != null && timing.connect_took_us == null;
  const moments = [
    { id: "received", name: "Request received", note: "", colour: "var(--phase-a)", at: timing.received_us },
    {
      id: "connect",
      name: "Connection to the provider",
      note: pooled ? "a pooled connection served" : "",
      colour: "var(--phase-b)",
      at: timing.connected_us,
    },
    {
      id: "headers",
      name: "Waiting for the status line",
      note: "",
      colour: "var(--phase-c)",
      at: timing.headers_us,
    },
    {
      id: "first-byte",
      name: "Waiting for the first byte",
      note: "",
      colour: "var(--phase-c2)",
      at: timing.first_byte_us,
    },
    {
      id: "first-token",
      name: "Waiting for the first token",
      note: "",
      colour: "var(--phase-d)",
      at: timing.first_token_us,
    },
    { id: "rest", name: "Rest of the answer", note: "", colour: "var(--phase-e)", at: timing.finished_us },
  ];
  const known: Phase[] = [];
  let fromUs = 0;
  for (const { at, ...moment } of moments) {
    if (at == null || at < fromUs) continue;
    known.push({ ...moment, fromUs, tookUs: at - fromUs });
    fromUs = at;
  }
  return known;
}
