import type { CostRowView, CostsView } from "@/api/schema";
import { CostSum, isUnknownSum, TokenSum } from "@/components/Money";
import { Cell, Head, Table } from "@/components/Table";
import { callCondition } from "@/lib/callFilter";
import { count, UNKNOWN } from "@/lib/format";
import { columnDigits, exactDollars, share, signedDollars } from "@/lib/money";
import { href } from "@/lib/route";
import { change, type Past, pastOf, percent, spanName, withGone } from "./compare";

/** What can be summed by. */
export const BY = [
  { id: "model", label: "Model" },
  { id: "provider", label: "Provider" },
  { id: "program", label: "Program" },
  { id: "project", label: "Project" },
  { id: "key", label: "Key" },
  { id: "day", label: "Day" },
] as const;
/** One of `BY`. */
export type By = (typeof BY)[number]["id"];

const COST_DECIMALS = 4;
/** Of which a call may well have none. */
const NONE: ReadonlySet<By> = new Set(["project", "key"]);

/** A row for each model, provider, …; those that only the time before has come last. */
export function Rows({ costs, by }: { costs: CostsView; by: By }) {
  const past = pastOf(costs);
  // Days are compared by the chart: no day has another beside it.
  const compared = by !== "day" && past !== "not";
  const rows = compared ? withGone(costs) : costs.rows;
  const then = new Map(costs.previous.rows.map((it) => [it.key, it]));
  const digits = columnDigits(
    costs.rows.map((it) => it.cost_pico_usd),
    COST_DECIMALS,
  );
  const before = spanName(costs.previous.since_ms, costs.previous.until_ms);
  return (
    <Table label={`Costs by ${by}`}>
      <thead>
        <tr>
          <Head>{BY.find((it) => it.id === by)?.label}</Head>
          <Head end>Cost</Head>
          {compared && (
            <Head end hint={`The difference to ${before}`}>
              Change
            </Head>
          )}
          <Head>Share</Head>
          <Head end>Calls</Head>
          <Head end>Failed</Head>
          <Head end>Tokens in</Head>
          <Head end>Cached</Head>
          <Head end>Out</Head>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key ?? ""} className="hover:bg-hover">
            <Cell className="min-w-36 font-medium">
              <Key row={row} by={by} />
            </Cell>
            <Cell end>
              <CostSum
                pico={row.cost_pico_usd}
                estimated={row.estimated_pico_usd}
                unknown={row.unknown_cost}
                decimals={COST_DECIMALS}
                digits={digits}
              />
            </Cell>
            {compared && <Changed row={row} then={then.get(row.key)} past={past} before={before} />}
            <Cell className="w-40 min-w-28">
              {isUnknownSum(row.cost_pico_usd, row.unknown_cost) ? (
                <div className="text-right font-mono text-xs text-muted">{UNKNOWN}</div>
              ) : (
                <Share part={share(row.cost_pico_usd, costs.total.cost_pico_usd)} />
              )}
            </Cell>
            <Counts row={row} />
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function Counts({ row }: { row: CostRowView }) {
  return (
    <>
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
    </>
  );
}

/** How a row stands beside the time before; the tooltip says what that was. */
function Changed(props: { row: CostRowView; then: CostRowView | undefined; past: Past; before: string }) {
  const { row, then, past, before } = props;
  if (isUnknownSum(row.cost_pico_usd, row.unknown_cost)) return <Cell end>{UNKNOWN}</Cell>;
  const { pico, permille, but } = change(row, then, past);
  const was = `${before}: ${exactDollars(then?.cost_pico_usd ?? "0")}.`;
  const isNew = then === undefined && past === "whole";
  return (
    <Cell end title={but === null ? was : `${was} ${but}`}>
      {signedDollars(pico)}
      <div className={`text-xs empty:hidden ${but === null ? "text-muted" : "text-warn"}`}>
        {permille === null ? isNew && "new" : percent(permille)}
      </div>
    </Cell>
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
    return <span className="text-muted">{NONE.has(by) ? `no ${by}` : `unknown ${by}`}</span>;
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
      {name}
      {name !== path && (
        <span className="block max-w-72 truncate font-mono text-xs font-normal text-faint">{path}</span>
      )}
    </span>
  );
}
