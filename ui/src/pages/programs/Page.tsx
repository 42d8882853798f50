import { useQuery } from "@tanstack/react-query";
import { AppWindow } from "lucide-react";
import { useState } from "react";
import type { ProgramView } from "@/api/schema";
import { useApp, useRefreshOnSettle, useStatus } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Money } from "@/components/Money";
import { Segments } from "@/components/Segments";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { callCondition } from "@/lib/callFilter";
import { ago, bytes, compactCount, count, fullTime, UNKNOWN } from "@/lib/format";
import { RANGES, type RangeId, sinceMs } from "@/lib/range";
import { href } from "@/lib/route";
import { FirstCall } from "../calls/FirstCall";

/** Which programs ask, how much, and at what cost. */
export function ProgramsPage() {
  const { api } = useApp();
  const status = useStatus();
  const [range, setRange] = useState<RangeId>("7d");
  const programs = useQuery({
    queryKey: ["programs", range],
    queryFn: () => api.programs(sinceMs(range, Date.now())),
  });
  useRefreshOnSettle("programs");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-3 py-1.5">
        <Segments label="Time" options={RANGES} value={range} onChange={setRange} />
        <span className="ml-auto text-xs text-faint">
          {programs.data && `${count(programs.data.length)} programs`}
        </span>
      </div>
      {programs.isPending && <Skeleton label="Loading programs" />}
      {programs.error && !programs.data && (
        <ErrorState
          title="The programs could not be read"
          error={programs.error}
          onRetry={() => void programs.refetch()}
        />
      )}
      {programs.error && programs.data && <StaleNote error={programs.error} />}
      {programs.data?.length === 0 && (
        <EmptyState icon={AppWindow} title="No program has asked in this time">
          <FirstCall listen={status?.listen ?? null} />
        </EmptyState>
      )}
      {programs.data && programs.data.length > 0 && <Programs rows={programs.data} />}
    </div>
  );
}

function Programs({ rows }: { rows: ProgramView[] }) {
  return (
    <Table label="Programs">
      <thead>
        <tr>
          <Head>Program</Head>
          <Head>Projects</Head>
          <Head end>Calls</Head>
          <Head end>Failed</Head>
          <Head end>Tokens in</Head>
          <Head end>Out</Head>
          <Head end>Cost</Head>
          <Head end>Packets</Head>
          <Head end>Bytes</Head>
          <Head end>Last call</Head>
        </tr>
      </thead>
      <tbody>
        {rows.map((it) => (
          <Program key={it.program ?? ""} it={it} />
        ))}
      </tbody>
    </Table>
  );
}

function Program({ it }: { it: ProgramView }) {
  return (
    <tr className="border-b hover:bg-hover">
      <Cell>
        <Name it={it} />
        <div
          className="max-w-52 truncate wide:max-w-96 font-mono text-xs text-faint"
          title={it.exe ?? undefined}
        >
          {it.exe ?? "executable unknown"}
        </div>
      </Cell>
      <Cell className="max-w-40 truncate text-muted">{it.projects.join(", ") || UNKNOWN}</Cell>
      <Cell end>{count(it.calls)}</Cell>
      <Cell end>
        {it.failed > 0 ? (
          <span className="text-bad">{count(it.failed)}</span>
        ) : (
          <span className="text-faint">0</span>
        )}
      </Cell>
      <Cell end title={count(it.usage.input)}>
        {compactCount(it.usage.input)}
      </Cell>
      <Cell end title={count(it.usage.output)}>
        {compactCount(it.usage.output)}
      </Cell>
      <Cell end>
        <Money pico={it.cost_pico_usd} decimals={4} />
        {it.unknown_cost > 0 && <div className="text-xs text-warn">+ {count(it.unknown_cost)} unknown</div>}
      </Cell>
      <Cell end>{compactCount(it.packets)}</Cell>
      <Cell end>{bytes(it.bytes)}</Cell>
      <Cell
        end
        className="text-muted"
        title={it.last_seen_ms == null ? undefined : fullTime(it.last_seen_ms)}
      >
        {it.last_seen_ms == null ? UNKNOWN : ago(it.last_seen_ms, Date.now())}
      </Cell>
    </tr>
  );
}

function Name({ it }: { it: ProgramView }) {
  const live = it.live > 0 && <Badge tone="accent">{it.live} live</Badge>;
  if (it.program == null) {
    return (
      <span
        className="flex items-center gap-2 text-muted"
        title="The process had ended before it could be looked up"
      >
        unknown caller {live}
      </span>
    );
  }
  return (
    <span className="flex items-center gap-2">
      <a
        className="font-medium hover:text-accent hover:underline"
        href={href({ page: "calls", filter: callCondition("program", it.program) })}
      >
        {it.program}
      </a>
      {it.pids.length > 0 && (
        <span className="font-mono text-xs text-faint" title={`pid ${it.pids.join(", ")}`}>
          {it.pids[0]}
          {it.pids.length > 1 && ` +${it.pids.length - 1}`}
        </span>
      )}
      {live}
    </span>
  );
}
