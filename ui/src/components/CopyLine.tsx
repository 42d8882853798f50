import { Check, Copy, X } from "lucide-react";
import { useState } from "react";
import { Button } from "./Button";

const SHOWN_MS = 1_500;

/** Text to paste elsewhere, with a button that copies it. */
export function CopyLine(props: { label: string; text: string }) {
  const [copied, setCopied] = useState<boolean | null>(null);
  const copy = async () => {
    // A browser may forbid it; then the text can still be marked.
    const done = await navigator.clipboard.writeText(props.text).then(
      () => true,
      () => false,
    );
    setCopied(done);
    setTimeout(() => setCopied(null), SHOWN_MS);
  };
  const Icon = copied === null ? Copy : copied ? Check : X;
  const label = copied === null ? `Copy ${props.label}` : copied ? "Copied" : "The browser did not allow it";
  return (
    <div className="flex w-full items-start gap-1 rounded-md border bg-surface py-px pr-1 pl-3 text-left">
      <pre className="min-w-0 flex-1 overflow-x-auto py-[5px] text-sm">{props.text}</pre>
      <Button
        look="quiet"
        size="icon"
        aria-label={label}
        title={copied === false ? label : undefined}
        onClick={() => void copy()}
      >
        <Icon className="size-3.5" />
      </Button>
    </div>
  );
}
