import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "./Button";

const SHOWN_MS = 1_500;

/** Text to paste elsewhere, with a button that copies it. */
export function CopyLine(props: { label: string; text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(props.text);
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  const Icon = copied ? Check : Copy;
  return (
    <div className="flex w-full items-start gap-1 rounded-md border bg-surface py-px pr-1 pl-3 text-left">
      <pre className="min-w-0 flex-1 overflow-x-auto py-[5px] text-sm">{props.text}</pre>
      <Button
        look="quiet"
        size="icon"
        aria-label={copied ? "Copied" : `Copy ${props.label}`}
        onClick={() => void copy()}
      >
        <Icon className="size-3.5" />
      </Button>
    </div>
  );
}
