import { RotateCw } from "lucide-react";
import type { CallView } from "@/api/schema";
import { Badge } from "@/components/Badge";
import type { Column } from "@/components/columns";
import { EstimateMark, Money, UnknownCost } from "@/components/Money";
import { cn } from "@/lib/cn";
import { compactCount, count, dayOf, duration, fullTime, timeOfDay, UNKNOWN } from "@/lib/format";
import { exactDollars } from "@/lib/money";
import { Ticking } from "./Ticking";

const DAY_MS = 86_400_000;

/** The columns of the list of calls; `beganAt` tells when a live call began. */
export function callColumns(beganAt: (id: string) => number | undefined): Column<CallView>[] {
  return [
    { id: "state", header: "", hint: "State", width: 28, drop: 0, cell: (it) => <StateDot call={it} /> },
    { id: "time", header: "Time", width: 74, drop: 0, cell: (it) => <StartedAt ms={it.started_at_ms} /> },
    { id: "caller", header: "Program", width: 120, grow: 1.1, drop: 0, cell: (it) => <Who call={it} /> },
    { id: "provider", header: "Provider", width: 92, drop: 5, cell: (it) => it.provider ?? UNKNOWN },
    { id: "model", header: "Model", width: 110, grow: 1.2, drop: 1, cell: (it) => <Model call={it} /> },
    tokens("input", "In", "Prompt tokens read afresh", 7, (it) => it.usage.input),
    tokens("cached", "Cached", "Prompt tokens read from a cache", 8, (it) => it.usage.cache_read),
    tokens("output", "Out", "Generated tokens", 7, (it) => it.usage.output),
    { id: "cost", header: "Cost", width: 100, end: true, drop: 2, cell: (it) => <CallCost call={it} /> },
    {
      id: "first",
      header: "1st byte",
      hint: "Until the first byte of the answer",
      width: 76,
      end: true,
      drop: 6,
      cell: (it) => duration(it.first_byte_us),
    },
    {
      id: "duration",
      header: "Duration",
      width: 78,
      end: true,
      drop: 3,
      cell: (it) => (
        <Ticking beganAt={it.state === "live" ? beganAt(it.id) : undefined} us={it.duration_us} />
      ),
    },
    { id: "status", header: "Status", width: 66, end: true, drop: 4, cell: (it) => <Status call={it} /> },
  ];
}

/** The columns of a list that was searched. */
export function foundColumns(): Column<CallView>[] {
  const said: Column<CallView> = {
    id: "said",
    header: "What was said",
    width: 240,
    grow: 4,
    drop: 0,
    cell: (it) => <Excerpt call={it} />,
  };
  const kept = ["state", "time", "caller", "model", "cost"];
  const columns = callColumns(() => undefined).filter((it) => kept.includes(it.id));
  return [...columns.slice(0, 3), said, ...columns.slice(3)];
}

function Excerpt({ call }: { call: CallView }) {
  const pieces = call.excerpt ?? [];
  return (
    <span title={pieces.map((it) => it.text).join("")}>
      {pieces.map((it, at) =>
        it.found ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no other name, and never change.
          <mark key={at} className="rounded-sm bg-warn-fill px-0.5 text-text">
            {it.text}
          </mark>
        ) : (
          it.text
        ),
      )}
    </span>
  );
}

function tokens(
  id: string,
  header: string,
  hint: string,
  drop: number,
  of: (call: CallView) => number | null | undefined,
): Column<CallView> {
  const cell = (it: CallView) => <span title={count(of(it))}>{compactCount(of(it))}</span>;
  return { id, header, hint, width: 62, end: true, drop, cell };
}

const DOTS: Record<CallView["state"], string> = {
  live: "bg-accent live-dot",
  finished: "bg-ok",
  failed: "bg-bad",
  cancelled: "bg-faint",
};

/** Whether a call went wrong: it failed, or the answer's status is an error's. */
export function wentWrong(call: CallView): boolean {
  return call.state === "failed" || (call.status ?? 0) >= 400;
}

/** Where a call stands, as a dot with a name. */
export function StateDot({ call }: { call: CallView }) {
  const tone = call.state === "finished" && wentWrong(call) ? "bg-bad" : DOTS[call.state];
  const name = call.state === "finished" && wentWrong(call) ? "finished with an error" : call.state;
  return (
    <span className="flex justify-center" title={name}>
      <span className={cn("size-2 rounded-full", tone)} />
      <span className="sr-only">{name}</span>
    </span>
  );
}

function StartedAt({ ms }: { ms: number }) {
  const old = Date.now() - ms > DAY_MS;
  return (
    <time className="font-mono text-muted" title={fullTime(ms)}>
      {old ? dayOf(ms) : timeOfDay(ms)}
    </time>
  );
}

function Who({ call }: { call: CallView }) {
  if (!call.caller)
    return <span className="text-faint">{call.state === "live" ? "…" : "unknown caller"}</span>;
  return (
    <span title={`${call.caller.program}, pid ${call.caller.pid}`}>
      <span className="font-medium">{call.caller.program}</span>
      {call.caller.project && <span className="text-faint"> · {call.caller.project}</span>}
    </span>
  );
}

function Model({ call }: { call: CallView }) {
  const model = call.model_served ?? call.model_asked;
  if (model == null) return <span className="text-faint">{call.operation}</span>;
  return (
    <span title={call.model_asked === model ? model : `asked for ${call.model_asked}, got ${model}`}>
      {model}
      {call.operation !== "generate" && <span className="text-faint"> · {call.operation}</span>}
    </span>
  );
}

/** A call's cost, or that it is not known, or nothing yet. */
export function CallCost({ call }: { call: CallView }) {
  if (call.cost_pico_usd != null)
    return (
      <>
        {call.usage_counted && <EstimateMark />}
        {call.from_cache && (
          <span className="mr-1 text-xs text-accent" title={savedByCache(call)}>
            cache
          </span>
        )}
        <Money pico={call.cost_pico_usd} decimals={6} />
      </>
    );
  if (call.cost_unknown != null) return <UnknownCost reason={call.cost_unknown} />;
  return <span className="text-faint">{UNKNOWN}</span>;
}

/** What the cache saved for a call that it answered, in a sentence. */
export function savedByCache(call: CallView): string {
  const saved = call.saved_pico_usd;
  return saved == null
    ? "The cache answered. What it would have cost is unknown."
    : `The cache answered. It would have cost ${exactDollars(saved)}.`;
}

function Status({ call }: { call: CallView }) {
  return (
    <span className="inline-flex items-center gap-1">
      <Retried retries={call.retries ?? 0} />
      <StatusCode call={call} />
    </span>
  );
}

function Retried({ retries }: { retries: number }) {
  if (retries === 0) return null;
  const name = `sent again ${retries === 1 ? "once" : `${retries} times`}`;
  return (
    <span title={name} className="text-warn">
      <RotateCw aria-hidden className="size-3" />
      <span className="sr-only">{name}</span>
    </span>
  );
}

function StatusCode({ call }: { call: CallView }) {
  if (call.status == null) return <span className="text-faint">{call.state === "live" ? "…" : UNKNOWN}</span>;
  return wentWrong(call) ? (
    <Badge tone="bad">{call.status}</Badge>
  ) : (
    <span className="text-muted">{call.status}</span>
  );
}
