import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const button = cva(
  "inline-flex shrink-0 select-none items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors disabled:opacity-50",
  {
    variants: {
      look: {
        plain: "border border-line-strong bg-raised hover:bg-hover",
        main: "bg-accent-fill text-white hover:brightness-95",
        quiet: "text-muted hover:bg-hover hover:text-text",
      },
      size: { normal: "h-7 px-2.5 text-sm", icon: "size-7", small: "h-6 px-2 text-xs" },
    },
    defaultVariants: { look: "plain", size: "normal" },
  },
);

/** A button; an `icon` one needs an `aria-label`. */
export function Button({
  look,
  size,
  className,
  ...rest
}: ComponentProps<"button"> & VariantProps<typeof button>) {
  return <button type="button" className={cn(button({ look, size }), className)} {...rest} />;
}
