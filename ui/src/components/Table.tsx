import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

/** A plain table that scrolls under its head. */
export function Table(props: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label={props.label} tabIndex={0} className="min-h-0 flex-1 overflow-auto">
      <table className="w-full border-separate border-spacing-0 text-sm">{props.children}</table>
    </section>
  );
}

/** The head of a column; `hint` says more of it. */
export function Head(props: { end?: boolean; hint?: string; className?: string; children: ReactNode }) {
  return (
    <th
      scope="col"
      title={props.hint}
      className={cn(
        "sticky top-0 z-10 h-7 border-b bg-surface px-3 text-left text-xs font-medium whitespace-nowrap text-faint",
        props.end && "text-right",
        props.className,
      )}
    >
      {props.children}
    </th>
  );
}

/** A cell; at the end stand figures. */
export function Cell(props: { end?: boolean; className?: string; title?: string; children: ReactNode }) {
  return (
    <td
      title={props.title}
      className={cn(
        "border-b border-line/60 px-3 py-1.5",
        props.end && "text-right font-mono whitespace-nowrap",
        props.className,
      )}
    >
      {props.children}
    </td>
  );
}
