import type { RoutingView } from "@/api/schema";
import { plural } from "@/lib/format";

/** What is not as if the program had asked the provider itself, a few words each; nothing for a call that is. */
export function routingNotes(routing: RoutingView): string[] {
  const tried = routing.attempts.filter((it) => !it.skipped);
  const passed = routing.attempts.length - tried.length;
  const losses = routing.request_losses.length + routing.answer_losses.length;
  const translated = tried.at(-1)?.translated_to;
  const { rules } = routing;
  return [
    routing.cache?.result === "hit" && "from the cache",
    rules.length > 0 && plural(rules.length, "rule"),
    translated != null && `translated to ${translated}`,
    tried.length > 1 && plural(tried.length, "attempt"),
    passed > 0 && `${passed} passed over`,
    losses > 0 && (losses === 1 ? "1 loss" : `${losses} losses`),
  ].filter((it) => it !== false);
}
