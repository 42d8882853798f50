import { useQuery } from "@tanstack/react-query";
import { AppWindow } from "lucide-react";
import { useState } from "react";
import type { ProgramView } from "@/api/schema";
import { useApp, useRefreshOnCalls } from "@/app/context";
import { Badge } from "@/components/Badge";
import { CostSum, TokenSum } from "@/components/Money";
import { Segments } from "@/components/Segments";
import { EmptyState, QueryState } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { callCondition } from "@/lib/callFilter";
import { cn } from "@/lib/cn";
import { ago, bytes, compactCount, count, fullTime, UNKNOWN } from "@/lib/format";
import { columnDigits } from "@/lib/money";
import { RANGES, type RangeId, sinceMs } from "@/lib/range";
import { href } from "@/lib/route";
import { FirstCall } from "../calls/FirstCall";

/** Columns that a narrow window leaves out. */
const IF_WIDE = "max-wide:hidden";
const CAPTURED = "In the flows that the capture knows now, whatever the time chosen above";

/** Which programs ask, how much, and at what cost. */
export function ProgramsPage() {
  const { api } = useApp();
  const [range, setRange] = useState<RangeId>("7d");
  const programs = useQuery({
    queryKey: ["programs", range],
    queryFn: () => api.programs(sinceMs(range, Date.now())),
  });
  useRefreshOnCalls("programs", "moved");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-3 py-1.5">
        <Segments label="Time" options={RANGES} value={range} onChange={setRange} />
        <span className="ml-auto text-xs text-faint">
          {programs.data && `${count(programs.data.length)} programs`}
        </span>
      </div>
      <QueryState query={programs} what="programs" />
      {programs.data?.length === 0 && (
        <EmptyState icon={AppWindow} title="No program has asked in this time">
          <FirstCall />
        </EmptyState>
      )}
      {programs.data && programs.data.length > 0 && <Programs rows={programs.data} />}
    </div>
  );
}

const COST_DECIMALS = 4;

function Programs({ rows }: { rows: ProgramView[] }) {
  const digits = columnDigits(
    rows.map((it) => it.cost_pico_usd),
    COST_DECIMALS,
  );
  return (
    <Table label="Programs">
      <thead>
        <tr>
          <Head>Program</Head>
          <Head className={IF_WIDE}>Projects</Head>
          <Head end>Calls</Head>
          <Head end>Failed</Head>
          <Head end>Tokens in</Head>
          <Head end>Out</Head>
          <Head end>Cost</Head>
          <Head end hint={CAPTURED}>
            Packets now
          </Head>
          <Head end hint={CAPTURED} className={IF_WIDE}>
            Bytes now
          </Head>
          <Head end>Last call</Head>
        </tr>
      </thead>
      <tbody>
        {rows.map((it) => (
          <Program key={it.program ?? ""} it={it} digits={digits} />
        ))}
      </tbody>
    </Table>
  );
}

function Program({ it, digits }: { it: ProgramView; digits: number }) {
  return (
    <tr className="border-b hover:bg-hover">
      <Cell>
        <Name it={it} />
        <div
          className="max-w-44 truncate wide:max-w-60 font-mono text-xs text-faint"
          title={it.exe ?? undefined}
        >
          {it.exe ?? "executable unknown"}
        </div>
      </Cell>
      <Cell className={cn("max-w-40 truncate text-muted", IF_WIDE)}>{it.projects.join(", ") || UNKNOWN}</Cell>
      <Cell end>{count(it.calls)}</Cell>
      <Cell end>
        {it.failed > 0 ? (
          <span className="text-bad">{count(it.failed)}</span>
        ) : (
          <span className="text-faint">0</span>
        )}
      </Cell>
      <Cell end>
        <TokenSum value={it.usage.input} unknown={it.unknown_usage} />
      </Cell>
      <Cell end>
        <TokenSum value={it.usage.output} unknown={it.unknown_usage} />
      </Cell>
      <Cell end>
        {it.calls === 0 ? (
          UNKNOWN
        ) : (
          <CostSum
            pico={it.cost_pico_usd}
            estimated={it.estimated_pico_usd}
            unknown={it.unknown_cost}
            decimals={COST_DECIMALS}
            digits={digits}
          />
        )}
      </Cell>
      <Cell end>{compactCount(it.packets)}</Cell>
      <Cell end className={IF_WIDE}>
        {bytes(it.bytes)}
      </Cell>
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
    const begun = it.calls === 0;
    return (
      <span
        className="flex items-center gap-2 text-muted"
        title={begun ? "It is being looked up" : "The process had ended before it could be looked up"}
      >
        {begun ? "…" : "unknown caller"} {live}
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
        <span className="font-mono text-xs whitespace-nowrap text-faint" title={`pid ${it.pids.join(", ")}`}>
          {it.pids[0]}
          {it.pids.length > 1 && ` +${it.pids.length - 1}`}
        </span>
      )}
      {live}
    </span>
  );
}
