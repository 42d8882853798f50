import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Coins } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { CostRowView, CostsView } from "@/api/schema";
import { useApp, useRefreshOnCalls } from "@/app/context";
import { CostSum, isUnknownSum, Money, TokenSum } from "@/components/Money";
import { Segments } from "@/components/Segments";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { callCondition } from "@/lib/callFilter";
import { compactCount, count, plural, UNKNOWN } from "@/lib/format";
import { columnDigits, exactDollars, share } from "@/lib/money";
import { RANGES, type RangeId, sinceMs, untilMs } from "@/lib/range";
import { href } from "@/lib/route";
import { FirstCall } from "../calls/FirstCall";

const CostChart = lazy(() => import("./CostChart"));

const BY = [
  { id: "model", label: "Model" },
  { id: "provider", label: "Provider" },
  { id: "program", label: "Program" },
  { id: "project", label: "Project" },
  { id: "day", label: "Day" },
] as const;
type By = (typeof BY)[number]["id"];

/** What was spent, on what, and when. */
export function CostsPage() {
  const { api } = useApp();
  const [range, setRange] = useState<RangeId>("today");
  const [by, setBy] = useState<By>("model");
  const costs = useQuery({
    queryKey: ["costs", by, range],
    queryFn: () => api.costs({ by, since_ms: sinceMs(range, Date.now()) }),
    placeholderData: keepPreviousData,
  });
  useRefreshOnCalls("costs", "settled");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 flex-wrap items-center gap-3 border-b px-3 py-1.5">
        <Segments label="Time" options={RANGES} value={range} onChange={setRange} />
        <span className="text-xs text-faint">by</span>
        <Segments label="Sum by" options={BY} value={by} onChange={setBy} />
      </div>
      {costs.isPending && <Skeleton label="Loading costs" />}
      {costs.error && !costs.data && (
        <ErrorState
          title="The costs could not be read"
          error={costs.error}
          onRetry={() => void costs.refetch()}
        />
      )}
      {costs.error && costs.data && <StaleNote error={costs.error} />}
      {costs.data?.total.calls === 0 && (
        <EmptyState icon={Coins} title="Nothing was spent in this time">
          <FirstCall />
        </EmptyState>
      )}
      {costs.data && costs.data.total.calls > 0 && (
        <>
          <Summary costs={costs.data} />
          <Suspense fallback={<div className="h-[180px] shrink-0 border-b" />}>
            <CostChart
              costs={costs.data}
              sinceMs={sinceMs(range, Date.now())}
              untilMs={untilMs(Date.now())}
            />
          </Suspense>
          <Rows costs={costs.data} by={by} />
        </>
      )}
    </div>
  );
}

function Summary({ costs }: { costs: CostsView }) {
  const { total } = costs;
  const nothing = isUnknownSum(total.cost_pico_usd, total.unknown_cost);
  return (
    <div className="flex shrink-0 flex-wrap items-end gap-x-8 gap-y-2 px-4 pt-3 pb-1">
      <div>
        <div className="text-xs text-faint">
          {costs.simulated ? "Would have cost (simulated calls included)" : "Spent"}
        </div>
        <div className="text-xl font-semibold">
          {nothing ? <span className="text-warn">unknown</span> : <Money pico={total.cost_pico_usd} />}
        </div>
        {!nothing && <div className="font-mono text-xs text-faint">{exactDollars(total.cost_pico_usd)}</div>}
      </div>
      <Figure name="Calls" text={count(total.calls)} />
      <Figure name="Failed" text={count(total.failed)} bad={total.failed > 0} />
      <Figure name="Tokens in" text={compactCount(total.usage.input)} title={count(total.usage.input)} />
      <Figure
        name="From cache"
        text={compactCount(total.usage.cache_read)}
        title={count(total.usage.cache_read)}
      />
      <Figure name="Tokens out" text={compactCount(total.usage.output)} title={count(total.usage.output)} />
      {total.unknown_cost > 0 && (
        <p className="w-full text-sm text-warn">
          The cost of {plural(total.unknown_cost, "call")} is unknown and not in this sum.
        </p>
      )}
      {total.unknown_usage > 0 && (
        <p className="w-full text-sm text-warn">
          Nobody counted the tokens of {plural(total.unknown_usage, "call")}.
        </p>
      )}
    </div>
  );
}

function Figure(props: { name: string; text: string; title?: string; bad?: boolean }) {
  return (
    <div title={props.title} className="pb-4">
      <div className="text-xs text-faint">{props.name}</div>
      <div className={`font-mono text-base ${props.bad ? "text-bad" : ""}`}>{props.text}</div>
    </div>
  );
}

const COST_DECIMALS = 4;

function Rows({ costs, by }: { costs: CostsView; by: By }) {
  const digits = columnDigits(
    costs.rows.map((it) => it.cost_pico_usd),
    COST_DECIMALS,
  );
  return (
    <Table label={`Costs by ${by}`}>
      <thead>
        <tr>
          <Head>{BY.find((it) => it.id === by)?.label}</Head>
          <Head end>Calls</Head>
          <Head end>Failed</Head>
          <Head end>Tokens in</Head>
          <Head end>Cached</Head>
          <Head end>Out</Head>
          <Head end>Cost</Head>
          <Head>Share</Head>
        </tr>
      </thead>
      <tbody>
        {costs.rows.map((row) => (
          <Row key={row.key ?? ""} row={row} by={by} total={costs.total.cost_pico_usd} digits={digits} />
        ))}
      </tbody>
    </Table>
  );
}

function Row(props: { row: CostRowView; by: By; total: string; digits: number }) {
  const { row, by } = props;
  return (
    <tr className="hover:bg-hover">
      <Cell className="font-medium">
        <Key row={row} by={by} />
      </Cell>
      <Cell end>{count(row.calls)}</Cell>
      <Cell end className={row.failed > 0 ? "text-bad" : "text-faint"}>
        {count(row.failed)}
      </Cell>
      <Cell end>
        <TokenSum value={row.usage.input} unknown={row.unknown_usage} />
      </Cell>
      <Cell end>
        <TokenSum value={row.usage.cache_read} unknown={row.unknown_usage} />
      </Cell>
      <Cell end>
        <TokenSum value={row.usage.output} unknown={row.unknown_usage} />
      </Cell>
      <Cell end>
        <CostSum
          pico={row.cost_pico_usd}
          unknown={row.unknown_cost}
          decimals={COST_DECIMALS}
          digits={props.digits}
        />
      </Cell>
      <Cell className="w-40 min-w-28">
        {isUnknownSum(row.cost_pico_usd, row.unknown_cost) ? (
          <div className="text-right font-mono text-xs text-muted">{UNKNOWN}</div>
        ) : (
          <Share part={share(row.cost_pico_usd, props.total)} />
        )}
      </Cell>
    </tr>
  );
}

function Share({ part }: { part: number }) {
  return (
    <div className="flex items-center gap-2">
      <div className="h-1.5 flex-1 overflow-hidden rounded-full bg-hover">
        <div className="h-full rounded-full bg-accent-fill" style={{ width: `${part * 100}%` }} />
      </div>
      <span className="w-12 text-right font-mono text-xs text-muted">{(part * 100).toFixed(1)} %</span>
    </div>
  );
}

function Key({ row, by }: { row: CostRowView; by: By }) {
  if (row.key == null)
    return <span className="text-muted">{by === "project" ? "no project" : `unknown ${by}`}</span>;
  if (by === "day") return row.key;
  return (
    <a
      className="hover:text-accent hover:underline"
      href={href({ page: "calls", filter: callCondition(by, row.key) })}
    >
      {by === "project" ? <Folder path={row.key} /> : row.key}
    </a>
  );
}

/** A project's folder: its own name first, since that is what people call it. */
function Folder({ path }: { path: string }) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return (
    <span title={path}>
      {name} {name !== path && <span className="font-mono text-xs font-normal text-faint">{path}</span>}
    </span>
  );
}
