import { useCallback, useId, useLayoutEffect, useRef } from "react";
import type { RuleMistakeView } from "@/api/schema";
import { Prose } from "@/components/Prose";
import { cn } from "@/lib/cn";
import { placeOf } from "./place";

/** Both lie over one another, so both set their text alike. */
const SET = "m-0 border-0 p-3 font-mono text-sm whitespace-pre";

/** Rules as text, with the place of a mistake marked in it. */
export function RuleText(props: {
  value: string;
  mistake: RuleMistakeView | null;
  onChange: (text: string) => void;
}) {
  const { value, mistake } = props;
  const input = useRef<HTMLTextAreaElement>(null);
  const behind = useRef<HTMLPreElement>(null);
  const id = useId();
  const place = mistake === null ? null : placeOf(value, mistake);
  const follow = useCallback(() => {
    if (input.current !== null) behind.current?.scrollTo(input.current.scrollLeft, input.current.scrollTop);
  }, []);
  // A mark that is set anew begins at the top.
  useLayoutEffect(follow);
  const goThere = () => {
    if (place === null) return;
    input.current?.focus();
    input.current?.setSelectionRange(place.start, Math.max(place.end, place.start));
  };
  return (
    <div className="flex min-h-64 flex-1 flex-col">
      <div className="relative min-h-0 flex-1 bg-raised">
        <pre
          ref={behind}
          aria-hidden
          className={cn(SET, "pointer-events-none absolute inset-0 overflow-hidden text-transparent")}
        >
          {place !== null && (
            <>
              {value.slice(0, place.start)}
              <mark className="rounded-xs bg-bad-fill text-transparent underline decoration-bad decoration-wavy">
                {value.slice(place.start, place.end) || " "}
              </mark>
              {value.slice(place.end)}
            </>
          )}
        </pre>
        <textarea
          ref={input}
          aria-label="Rules"
          aria-invalid={mistake !== null}
          aria-describedby={mistake === null ? undefined : id}
          wrap="off"
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          value={value}
          onChange={(event) => props.onChange(event.target.value)}
          onScroll={follow}
          className={cn(SET, "absolute inset-0 size-full resize-none overflow-auto bg-transparent")}
        />
      </div>
      {mistake !== null && (
        <p
          id={id}
          role="alert"
          className="flex shrink-0 items-baseline gap-3 border-t bg-bad-fill px-3 py-1 text-sm text-bad"
        >
          <button type="button" className="shrink-0 underline" onClick={goThere}>
            Line {mistake.line}, column {mistake.column}
          </button>
          <span className="min-w-0 break-words">
            <Prose text={mistake.message} />
          </span>
        </p>
      )}
    </div>
  );
}
