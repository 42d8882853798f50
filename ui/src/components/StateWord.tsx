import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

/** How something is that is asked to work. */
export type Tone = "ok" | "warn" | "bad" | "unknown";

const DOTS: Record<Tone, string> = {
  ok: "bg-ok",
  warn: "bg-warn",
  bad: "bg-bad",
  unknown: "ring-1 ring-inset ring-line-strong",
};

/** A word for how something is, behind a dot; what is not known has an empty one. */
export function StateWord(props: { tone: Tone; children: ReactNode }) {
  return (
    <span className={cn("flex min-w-0 items-baseline gap-2", props.tone === "unknown" && "text-faint")}>
      <span aria-hidden className={cn("size-2 shrink-0 rounded-full", DOTS[props.tone])} />
      <span className="min-w-0 truncate">{props.children}</span>
    </span>
  );
}
