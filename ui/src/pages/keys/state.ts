import type { KeyView } from "@/api/schema";
import type { Tone } from "@/components/StateWord";

/** How a key is, in a word. */
export function keyState(it: KeyView): { tone: Tone; word: string } {
  if (it.state === "revoked") return { tone: "unknown", word: "revoked" };
  if (it.state === "expired") return { tone: "warn", word: "expired" };
  return { tone: "ok", word: "good" };
}

/** What a key is for, in a line. */
export function scopeOf({ scope }: KeyView): string {
  const asked = [...(scope.models ?? []), ...(scope.routes ?? [])];
  const parts = [
    asked.join(", "),
    scope.providers?.length ? `at ${scope.providers.join(", ")}` : "",
    scope.operations?.length ? `to ${scope.operations.join(", ")}` : "",
  ].filter((it) => it !== "");
  return parts.length === 0 ? "anything" : parts.join("; ");
}

/** The entries of a list that is written with commas. */
export function entries(text: string): string[] {
  return text
    .split(",")
    .map((it) => it.trim())
    .filter((it) => it !== "");
}
