import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2, Waypoints, X } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import type { CallDetail, CallView, HitView, RoutingView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";
import { Prose } from "@/components/Prose";
import { ErrorState, Skeleton } from "@/components/states";
import { type Tab, Tabs } from "@/components/Tabs";
import { bytes, compactCount, count, duration, fullTime } from "@/lib/format";
import { HitList } from "../guardrails/HitList";
import { CallerTab } from "./CallerTab";
import { ConversationTab } from "./ConversationTab";
import { CostTab } from "./CostTab";
import { CallCost, StateDot, wentWrong } from "./columns";
import { DeleteCall } from "./DeleteCall";
import { PacketsTab } from "./PacketsTab";
import { RoutingTab } from "./RoutingTab";
import { routingNotes } from "./routing";
import { TimingTab } from "./TimingTab";

const RawTab = lazy(() => import("./RawTab"));
/** A live call's detail is fetched again at most this often. */
const LIVE_REFRESH_MS = 500;
/** Who goes through a list by key has each call open for less than this: it is not fetched. */
const REST_MS = 100;

const FIRST_TAB = "conversation";
/** Which tab is open: kept while one goes through calls. */
let lastTab = FIRST_TAB;

/** One call in full. */
export function CallDetailPanel(props: { id: string; onClose: () => void; onDeleted: () => void }) {
  const { id, onClose, onDeleted } = props;
  const { api } = useApp();
  const detail = useQuery({
    queryKey: ["call", id],
    queryFn: ({ signal }) => api.call(id, signal),
    enabled: useRested(REST_MS),
  });
  useFollow(id);
  const [tab, setTab] = useState(lastTab);
  const choose = (chosen: string) => {
    lastTab = chosen;
    setTab(chosen);
  };
  return (
    <section aria-label="Call" className="flex h-full min-h-0 flex-col bg-bg">
      {detail.isPending && <Skeleton label="Loading the call" />}
      {detail.error && (
        <>
          <Button
            look="quiet"
            size="icon"
            className="m-1 self-end"
            aria-label="Close the call"
            onClick={onClose}
          >
            <X className="size-4" />
          </Button>
          <ErrorState
            title="The call could not be read"
            error={detail.error}
            onRetry={() => void detail.refetch()}
          />
        </>
      )}
      {detail.data && !detail.error && (
        <Parts detail={detail.data} tab={tab} onTab={choose} onClose={onClose} onDeleted={onDeleted} />
      )}
    </section>
  );
}

function Parts(props: {
  detail: CallDetail;
  tab: string;
  onTab: (id: string) => void;
  onClose: () => void;
  onDeleted: () => void;
}) {
  const { detail, onTab, onClose, onDeleted } = props;
  const parts = tabs(detail);
  // The tab that was open last may be one that this call does not have.
  const tab = parts.some((it) => it.id === props.tab) ? props.tab : FIRST_TAB;
  return (
    <>
      <Head detail={detail} onRouting={() => onTab("routing")} onClose={onClose} onDeleted={onDeleted} />
      <Tabs label="Parts of the call" tabs={parts} value={tab} onChange={onTab} />
    </>
  );
}

function tabs(detail: CallDetail): Tab[] {
  const messages = detail.conversation?.messages.length;
  const { routing, hits } = detail;
  return [
    {
      id: FIRST_TAB,
      label: "Conversation",
      note: messages,
      content: () => <ConversationTab detail={detail} />,
    },
    {
      id: "raw",
      label: "Raw",
      content: () => (
        <Suspense fallback={<Skeleton />}>
          <RawTab detail={detail} />
        </Suspense>
      ),
    },
    { id: "timing", label: "Timing", content: () => <TimingTab detail={detail} /> },
    ...(routing == null ? [] : [routingTab(routing)]),
    ...(hits.length === 0 ? [] : [hitsTab(hits)]),
    { id: "cost", label: "Cost", content: () => <CostTab detail={detail} /> },
    {
      id: "packets",
      label: "Packets",
      content: () => <PacketsTab call={detail.call} flows={detail.flows} />,
    },
    { id: "caller", label: "Caller", content: () => <CallerTab detail={detail} /> },
  ];
}

function hitsTab(hits: HitView[]): Tab {
  return {
    id: "guardrails",
    label: "Guardrails",
    note: hits.length,
    content: () => <HitList hits={hits} withCall={false} />,
  };
}

function routingTab(routing: RoutingView): Tab {
  const note = routing.attempts.length > 1 ? routing.attempts.length : undefined;
  return { id: "routing", label: "Routing", note, content: () => <RoutingTab routing={routing} /> };
}

function Head(props: {
  detail: CallDetail;
  onRouting: () => void;
  onClose: () => void;
  onDeleted: () => void;
}) {
  const { onRouting, onClose, onDeleted } = props;
  const [asked, setAsked] = useState(false);
  const { call, routing } = props.detail;
  const error = call.error_message ?? call.error_code;
  const prompt =
    call.usage.input == null ? null : call.usage.input + (call.usage.cache_read ?? 0) + writes(call);
  return (
    <header className="shrink-0 border-b px-4 pt-2.5 pb-2">
      <div className="flex items-center gap-2">
        <StateDot call={call} />
        <h2 className="min-w-0 truncate text-lg font-semibold">
          {call.model_served ?? call.model_asked ?? call.operation}
        </h2>
        {call.simulated && <Badge tone="warn">simulated</Badge>}
        {call.status != null && <Badge tone={wentWrong(call) ? "bad" : "ok"}>{call.status}</Badge>}
        <span className="-mr-2 ml-auto flex">
          {call.state !== "live" && (
            <Button look="quiet" size="icon" aria-label="Delete the call" onClick={() => setAsked(true)}>
              <Trash2 className="size-4" />
            </Button>
          )}
          <Button look="quiet" size="icon" aria-label="Close the call" onClick={onClose}>
            <X className="size-4" />
          </Button>
        </span>
        <Dialog title="Delete this call?" open={asked} onClose={() => setAsked(false)}>
          <DeleteCall id={call.id} onCancel={() => setAsked(false)} onDeleted={onDeleted} />
        </Dialog>
      </div>
      <p className="truncate text-sm text-muted" title={fullTime(call.started_at_ms)}>
        {call.caller?.program ?? (call.state === "live" ? "…" : "unknown caller")}
        {call.caller?.project && ` · ${call.caller.project}`} · {call.provider ?? "no provider"} ·{" "}
        <span className="font-mono">
          {call.method} {call.path}
        </span>
      </p>
      {routing != null && <Routed routing={routing} onClick={onRouting} />}
      <dl className="mt-2 flex flex-wrap gap-x-5 gap-y-1 text-sm">
        <Fact name="Cost">
          <CallCost call={call} />
        </Fact>
        <Fact name="Prompt" hint={count(prompt)}>
          {compactCount(prompt)}
        </Fact>
        <Fact name="Output" hint={count(call.usage.output)}>
          {compactCount(call.usage.output)}
        </Fact>
        <Fact name="First byte">{duration(call.first_byte_us)}</Fact>
        <Fact name="Duration">{duration(call.duration_us)}</Fact>
        <Fact name="Sent">{bytes(call.request_bytes)}</Fact>
        <Fact name="Received">{bytes(call.response_bytes)}</Fact>
        {call.stop_reason != null && <Fact name="Stopped">{call.stop_reason}</Fact>}
        {call.service_tier != null && call.service_tier !== "standard" && (
          <Fact name="Service tier">{call.service_tier}</Fact>
        )}
      </dl>
      {error != null && (
        <p className="mt-2 rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
          {call.error_code != null && <span className="font-mono font-medium">{call.error_code}: </span>}
          <Prose text={error} />
        </p>
      )}
    </header>
  );
}

/** What the program does not notice of a call that was not simply passed on. */
function Routed({ routing, onClick }: { routing: RoutingView; onClick: () => void }) {
  const notes = routingNotes(routing);
  if (notes.length === 0) return null;
  return (
    <button
      type="button"
      title="How it was routed"
      onClick={onClick}
      className="mt-1 flex max-w-full items-baseline gap-1.5 rounded text-left text-sm text-accent hover:underline"
    >
      <Waypoints aria-hidden className="size-3.5 shrink-0 self-center" strokeWidth={1.75} />
      <span className="min-w-0 break-words">
        {routing.model != null && <span className="font-mono wrap-anywhere">{routing.model}: </span>}
        {notes.join(" · ")}
      </span>
    </button>
  );
}

function writes({ usage }: CallView): number {
  return (usage.cache_write_5m ?? 0) + (usage.cache_write_1h ?? 0);
}

function Fact(props: { name: string; hint?: string; children: React.ReactNode }) {
  return (
    <div className="flex items-baseline gap-1.5" title={props.hint}>
      <dt className="text-xs text-faint">{props.name}</dt>
      <dd className="font-mono">{props.children}</dd>
    </div>
  );
}

/** Whether this has been shown for a while. */
function useRested(ms: number): boolean {
  const [rested, setRested] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setRested(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return rested;
}

/** Fetches the call again when it moved on, at most every so often, and once when it is settled. */
function useFollow(id: string): void {
  const { hub } = useApp();
  const queries = useQueryClient();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      timer = undefined;
      void queries.invalidateQueries({ queryKey: ["call", id] });
    };
    const deaf = hub.listen({
      refresh,
      heard(call) {
        if (call.id === id) timer ??= setTimeout(refresh, LIVE_REFRESH_MS);
      },
    });
    return () => {
      deaf();
      clearTimeout(timer);
    };
  }, [hub, queries, id]);
}
