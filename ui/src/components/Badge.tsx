import { cva, type VariantProps } from "class-variance-authority";
import type { ReactNode } from "react";

const badge = cva("inline-flex items-center gap-1 rounded px-1.5 text-xs font-medium whitespace-nowrap", {
  variants: {
    tone: {
      plain: "bg-hover text-muted",
      ok: "bg-[color-mix(in_srgb,var(--ok)_14%,transparent)] text-ok",
      warn: "bg-warn-fill text-warn",
      bad: "bg-bad-fill text-bad",
      accent: "bg-selected text-accent",
    },
  },
  defaultVariants: { tone: "plain" },
});

/** A word in a box. */
export function Badge(props: VariantProps<typeof badge> & { title?: string; children: ReactNode }) {
  return (
    <span className={badge({ tone: props.tone })} title={props.title}>
      {props.children}
    </span>
  );
}
