import { useId, useMemo } from "react";
import type { HeaderChangeView, RuleTestedView, RuleTestView } from "@/api/schema";
import { Badge } from "@/components/Badge";
import { Prose } from "@/components/Prose";
import { cn } from "@/lib/cn";
import { type DiffLine, diffLines } from "@/lib/diff";
import { count } from "@/lib/format";
import { RuleChange } from "./RuleChange";

/** Longer values are cut: a tooltip has more of them. */
const VALUE_SHOWN_MAX = 160;
/** A longer comparison is cut. */
const LINES_SHOWN_MAX = 200;

/** What rules would do to a call: which fire and why, and what the call becomes. `before` is its body. */
export function Tested({ tested, before }: { tested: RuleTestView; before: unknown }) {
  return (
    <>
      <Outcome tested={tested} before={before} />
      <ul className="text-sm">
        {tested.rules.map((it) => (
          <Verdict key={it.name} it={it} />
        ))}
      </ul>
    </>
  );
}

function Outcome({ tested, before }: { tested: RuleTestView; before: unknown }) {
  const id = useId();
  const denial = tested.rules.find((it) => it.name === tested.denied_by);
  if (tested.denied_by != null) {
    return (
      <section aria-labelledby={id} className="border-b bg-bad-fill px-4 py-3 text-sm">
        <h2 id={id} className="font-semibold text-bad">
          The call is denied
        </h2>
        <p className="break-words">
          by <span className="font-medium">{tested.denied_by}</span>
          {denial?.deny != null && <>: {denial.deny}</>}
        </p>
      </section>
    );
  }
  const changed = tested.model != null || tested.headers.length > 0 || tested.body != null;
  return (
    <section aria-labelledby={id} className="flex flex-col gap-2 border-b px-4 py-3 text-sm">
      <h2 id={id} className="font-semibold">
        {changed ? "The call goes on, changed" : "The call goes on as it is"}
      </h2>
      {tested.model != null && (
        <p>
          Asks for <code className="font-medium wrap-anywhere">{tested.model}</code> instead
        </p>
      )}
      {tested.headers.length > 0 && (
        <ul>
          {tested.headers.map((it) => (
            <Header key={`${it.of} ${it.name} ${it.value}`} it={it} />
          ))}
        </ul>
      )}
      {tested.body != null && <Body before={before} after={tested.body} />}
    </section>
  );
}

function Header({ it }: { it: HeaderChangeView }) {
  return (
    <li className="wrap-anywhere">
      <span className="text-muted">{it.of === "request" ? "Request" : "Answer"}:</span> <code>{it.name}</code>{" "}
      {it.value == null ? (
        <span className="text-muted">is removed</span>
      ) : (
        <>
          <span className="text-muted">=</span> <code>{it.value}</code>
        </>
      )}
    </li>
  );
}

/** Without the body from before, all of it is new. */
function Body({ before, after }: { before: unknown; after: unknown }) {
  const lines = useMemo(() => {
    const text = (it: unknown) => JSON.stringify(it, null, 2);
    if (before != null) return diffLines(text(before), text(after));
    return text(after)
      .split("\n")
      .map((it): DiffLine => ({ sign: " ", text: it }));
  }, [before, after]);
  if (lines.length === 0) return null;
  const shown = lines.slice(0, LINES_SHOWN_MAX);
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
      tabIndex={0}
      aria-label="The body after the rules"
      className="max-h-96 overflow-auto rounded-md border bg-surface py-1.5 text-xs"
    >
      <pre className="w-max min-w-full">
        {shown.map((line, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of one fixed comparison.
          <Line key={at} line={line} />
        ))}
        {lines.length > shown.length && (
          <span className="block px-3 text-faint">… {count(lines.length - shown.length)} lines more</span>
        )}
      </pre>
    </section>
  );
}

function Line({ line: { sign, text } }: { line: DiffLine }) {
  if (sign === "…") return <span className="block px-3 text-faint">… {text}</span>;
  const look = { "+": "text-ok", "-": "text-bad", " ": "text-muted" }[sign];
  return (
    <span className={cn("block px-3", look)}>
      {sign === "-" ? "−" : sign} {text}
    </span>
  );
}

const VERDICTS: Record<string, { tone?: "ok" | "warn"; words: string }> = {
  holds: { tone: "ok", words: "fires" },
  "holds-not": { words: "does not fire" },
  failed: { tone: "warn", words: "cannot be evaluated" },
  "not-reached": { words: "not reached" },
};

function Verdict({ it }: { it: RuleTestedView }) {
  const { tone, words } = VERDICTS[it.verdict] ?? { words: it.verdict };
  return (
    <li className={cn("border-b px-4 py-2", it.verdict === "not-reached" && "text-faint")}>
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span className="font-medium break-words">{it.name}</span>
        <Badge tone={tone}>{words}</Badge>
        {it.why != null && (
          <span className="text-warn">
            <Prose text={it.why} />
          </span>
        )}
      </p>
      {it.when == null ? (
        <p className="text-xs text-faint">every call</p>
      ) : (
        <code className="block text-xs wrap-anywhere whitespace-pre-wrap text-muted">{it.when.trim()}</code>
      )}
      <Values values={it.values} />
      {it.verdict === "holds" && it.changes.length > 0 && (
        <ul className="mt-1 text-muted">
          {it.changes.map((change) => (
            <RuleChange key={`${change.action} ${change.on}`} change={change} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Values({ values }: { values: RuleTestedView["values"] }) {
  const listed = Object.entries(values);
  if (listed.length === 0) return null;
  return (
    <dl className="mt-1 grid grid-cols-[max-content_1fr] gap-x-2 pl-3 font-mono text-xs">
      {listed.map(([name, value]) => {
        const text = value === null ? "not known" : JSON.stringify(value);
        return (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd
              className={cn("min-w-0 wrap-anywhere", value === null ? "font-sans text-faint" : "text-text")}
              title={text.length > VALUE_SHOWN_MAX ? text.slice(0, 2_000) : undefined}
            >
              {text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}…` : text}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
