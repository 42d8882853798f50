import type { RuleChangeView } from "@/api/schema";
import { cn } from "@/lib/cn";

/** One thing that a rule does, and what came of it. */
export function RuleChange({ change }: { change: RuleChangeView }) {
  const unneeded = change.effect === "unneeded";
  return (
    <li className={cn("wrap-anywhere", unneeded && "text-faint")}>
      <code>{change.action}</code>
      {change.on != null && <code className={unneeded ? undefined : "text-text"}> {change.on}</code>}
      {unneeded && ": nothing to change"}
      {change.effect === "impossible" && <span className="text-warn">: not possible, {change.why}</span>}
    </li>
  );
}
