import type { ProviderView } from "@/api/schema";
import type { Tone } from "@/components/StateWord";
import { plural } from "@/lib/format";

/** How a provider is: a word for it, and what more there is to say. */
export interface ProviderState {
  tone: Tone;
  word: string;
  more: string | null;
}

/** How a provider is, by the last call that it had since the gateway started. */
export function providerState(it: ProviderView): ProviderState {
  if (it.problem != null) return { tone: "bad", word: "cannot be called", more: it.problem };
  if (it.local && !it.local.running) {
    return { tone: "unknown", word: "not running", more: it.local.problem ?? null };
  }
  const error = it.last_error;
  if (error != null && error.at_ms >= (it.answered_at_ms ?? 0)) {
    const status = error.code ?? (error.status == null ? null : `status ${error.status}`);
    return { tone: "warn", word: "last call failed", more: spoken(status, error.message ?? null) };
  }
  if (it.answered_at_ms != null) return { tone: "ok", word: "answers", more: null };
  if (it.local) return { tone: "ok", word: "runs", more: plural(it.local.models.length, "model") };
  return { tone: "unknown", word: "no answer yet", more: null };
}

function spoken(status: string | null, message: string | null): string | null {
  return status !== null && message !== null ? `${status}: ${message}` : (status ?? message);
}

/** Whose key is sent, in words. */
export function keyOf(it: ProviderView): string {
  if (it.auth === "none") return "needs none";
  return it.credential ?? "the program’s own";
}

/** Whether the user has to do with it: it is configured, was called, runs here, or a key for it lies ready. */
export function isInUse(it: ProviderView): boolean {
  return (
    it.configured ||
    it.env_set != null ||
    it.answered_at_ms != null ||
    it.last_error != null ||
    it.local?.running === true
  );
}
