import { Check, Copy, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button } from "./Button";

const SHOWN_MS = 1_500;

/** A button that copies; with `children` a word beside its icon, without them the icon alone. */
export function CopyButton(props: { label: string; text: string; disabled?: boolean; children?: ReactNode }) {
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
  const small = props.children === undefined;
  return (
    <Button
      look={small ? "quiet" : "plain"}
      size={small ? "icon" : "normal"}
      aria-label={label}
      title={small && copied !== false ? undefined : label}
      disabled={props.disabled}
      onClick={() => void copy()}
    >
      <Icon aria-hidden className="size-3.5" /> {props.children}
    </Button>
  );
}

/** Text to paste elsewhere, with a button that copies it. */
export function CopyLine(props: { label: string; text: string }) {
  return (
    <div className="flex w-full items-start gap-1 rounded-md border bg-surface py-px pr-1 pl-3 text-left">
      <pre className="min-w-0 flex-1 overflow-x-auto py-[5px] text-sm">{props.text}</pre>
      <CopyButton {...props} />
    </div>
  );
}
