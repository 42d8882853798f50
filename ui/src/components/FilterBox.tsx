import { Filter, type LucideIcon, X } from "lucide-react";
import { useEffect, useId, useRef, useState } from "react";
import { cn } from "@/lib/cn";

const TYPING_MS = 250;

/** A filter that applies while one types; its key (`/`) jumps to it, Escape empties it. */
export function FilterBox(props: {
  label: string;
  placeholder: string;
  value: string;
  problem: string | null;
  onChange: (text: string) => void;
  icon?: LucideIcon;
  jumpKey?: string;
}) {
  const { icon: Icon = Filter, jumpKey = "/" } = props;
  const [text, setText] = useState(props.value);
  const input = useRef<HTMLInputElement>(null);
  const problemId = useId();
  const { value, onChange } = props;
  const sent = useRef(value);
  useEffect(() => {
    // Changed from elsewhere: the box follows.
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      onChange(text);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, onChange]);
  useEffect(() => {
    const jump = (event: KeyboardEvent) => {
      if (event.key !== jumpKey || isTyping(event)) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", jump);
    return () => window.removeEventListener("keydown", jump);
  }, [jumpKey]);
  return (
    <div className="relative flex min-w-0 max-w-2xl flex-1 items-center">
      <Icon aria-hidden className="pointer-events-none absolute left-2 size-3.5 text-faint" />
      <input
        ref={input}
        type="text"
        spellCheck={false}
        autoComplete="off"
        aria-label={props.label}
        aria-invalid={props.problem !== null}
        aria-describedby={props.problem === null ? undefined : problemId}
        placeholder={props.placeholder}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText("")}
        className={cn(
          "h-7 w-full min-w-0 rounded-md border border-line-strong bg-raised pr-7 pl-7 font-mono text-sm placeholder:font-sans placeholder:text-faint",
          props.problem !== null && "border-bad",
        )}
      />
      {text !== "" && (
        <button
          type="button"
          aria-label="Clear the filter"
          onClick={() => setText("")}
          className="absolute right-1 rounded p-1 text-faint hover:text-text"
        >
          <X className="size-3.5" />
        </button>
      )}
      {props.problem !== null && (
        <p
          id={problemId}
          role="alert"
          className="absolute top-8 left-0 z-20 rounded border border-bad bg-raised px-2 py-0.5 text-xs text-bad shadow-md"
        >
          {props.problem}
        </p>
      )}
    </div>
  );
}

/** Whether a key goes into a text, also into one inside a shadow tree. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
