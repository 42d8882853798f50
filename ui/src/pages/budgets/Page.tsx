import { Meter } from "@base-ui/react/meter";
import { useQuery } from "@tanstack/react-query";
import { Gauge } from "lucide-react";
import type { BudgetAccountView, BudgetView } from "@/api/schema";
import { useApp, useRefreshOnCalls, useStatus } from "@/app/context";
import { Badge } from "@/components/Badge";
import { InConfiguration } from "@/components/InConfiguration";
import { Money } from "@/components/Money";
import { EmptyState, QueryState } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { cn } from "@/lib/cn";
import { count, fullTime, plural, UNKNOWN } from "@/lib/format";
import { shortDollars } from "@/lib/money";
import { href } from "@/lib/route";
import { type Limit, limits, named, scopeOf, whose } from "./limits";

/** Minutes pass and periods end without an event: it is asked for this often while it is shown. */
const REFRESH_MS = 5_000;

/** What certain calls may come to, and how much of that is left. */
export function BudgetsPage() {
  const { api } = useApp();
  const budgets = useQuery({
    queryKey: ["budgets"],
    queryFn: () => api.budgets(),
    refetchInterval: REFRESH_MS,
  });
  useRefreshOnCalls("budgets", "moved");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <QueryState query={budgets} what="budgets" />
      {budgets.data?.length === 0 && <NoBudgets />}
      {budgets.data && budgets.data.length > 0 && <Budgets budgets={budgets.data} />}
    </div>
  );
}

const EXAMPLE = `[[budgets]]
name = "each program"
each = "program"
usd_per_day = "5"
warn_at = [80]`;

function NoBudgets() {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label="No budgets" tabIndex={0} className="flex min-h-0 flex-1 overflow-y-auto">
      <EmptyState icon={Gauge} title="You have no budgets">
        <p>
          A budget says how much certain calls may come to: dollars by the hour, day, week or month, calls and
          tokens in a minute, calls at the same time. What is reached stops further calls, or only tells you.
        </p>
        <InConfiguration example={EXAMPLE} />
      </EmptyState>
    </section>
  );
}

function Budgets({ budgets }: { budgets: BudgetView[] }) {
  const status = useStatus();
  return (
    <>
      <Table label="Budgets">
        <thead>
          <tr>
            <Head>For</Head>
            <Head>Limit</Head>
            <Head className="w-1/3">Taken</Head>
            <Head end hint="Held for calls under way, at the most that they can cost">
              Held
            </Head>
            <Head end>Left</Head>
            <Head end>Begins anew</Head>
            <Head
              end
              hint="Calls for which there was too little left: of money in this period, else since the start"
            >
              Stopped
            </Head>
          </tr>
        </thead>
        {budgets.map((it) => (
          <Budget key={it.name} budget={it} />
        ))}
      </Table>
      <footer className="flex shrink-0 items-baseline gap-x-3 border-t px-3 py-1 text-xs text-faint">
        <span className="whitespace-nowrap">{plural(budgets.length, "budget")}</span>
        {status && (
          <span className="ml-auto min-w-0 truncate font-mono" title={status.configuration_file}>
            {status.configuration_file}
          </span>
        )}
      </footer>
    </>
  );
}

function Budget({ budget }: { budget: BudgetView }) {
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" colSpan={7} className="bg-surface px-3 pt-3 pb-1.5 text-left font-normal">
          <span className="flex flex-wrap items-baseline gap-x-2.5 gap-y-0.5">
            <a
              className="text-base font-semibold wrap-anywhere hover:text-accent hover:underline"
              title={`Calls that ${budget.name} stopped`}
              href={href({ page: "calls", filter: named(budget.name) })}
            >
              {budget.name}
            </a>
            <Badge tone={budget.on_limit === "warn" ? "plain" : "accent"}>
              {budget.on_limit === "warn" ? "warns" : "stops"}
            </Badge>
            <span className="text-xs text-faint">{scopeOf(budget)}</span>
          </span>
        </th>
      </tr>
      {budget.accounts.length === 0 && (
        <tr>
          <td colSpan={7} className="border-b border-line/60 px-3 py-1.5 pl-6 text-faint">
            No such call yet
          </td>
        </tr>
      )}
      {budget.accounts.map((it) => (
        <Account key={it.value ?? ""} budget={budget} account={it} />
      ))}
    </tbody>
  );
}

function Account({ budget, account }: { budget: BudgetView; account: BudgetAccountView }) {
  return limits(budget, account).map((limit, at) => (
    <tr key={limit.what} className="hover:bg-hover">
      <Cell className="pl-6">
        <span className={cn("wrap-anywhere", account.value === null && "text-faint")}>
          {at === 0 && whose(budget, account)}
        </span>
      </Cell>
      <Cell className="whitespace-nowrap">
        <span className="font-mono">
          {limit.money ? shortDollars(limit.most) : count(Number(limit.most))}
        </span>{" "}
        {limit.what}
      </Cell>
      <Cell>
        <Taken limit={limit} warnAt={budget.warn_at} name={`${budget.name}, ${limit.what}`} />
      </Cell>
      <Cell end>
        {limit.money && limit.held !== "0" ? (
          <Money pico={limit.held} />
        ) : (
          <span className="text-faint">{UNKNOWN}</span>
        )}
      </Cell>
      <Cell end className={cn(limit.isOver && "text-bad")}>
        {limit.money ? <Money pico={limit.left} /> : count(Number(limit.left))}
      </Cell>
      <Cell end className="text-muted" title={limit.untilMs === null ? undefined : fullTime(limit.untilMs)}>
        {limit.anew}
      </Cell>
      <Cell end>
        {limit.stopped > 0 ? (
          <a
            className="text-bad hover:underline"
            title={`Calls that ${budget.name} stopped`}
            href={href({ page: "calls", filter: named(budget.name) })}
          >
            {count(limit.stopped)}
          </a>
        ) : (
          <span className="text-faint">0</span>
        )}
      </Cell>
    </tr>
  ));
}

/** A bar of what is taken, with what is held behind it and a mark at each part that the user wants to know of. */
function Taken({ limit, warnAt, name }: { limit: Limit; warnAt: number[]; name: string }) {
  const told = limit.money ? warnAt.filter((it) => limit.part * 100 >= it).length : 0;
  const tone = limit.isOver ? "bg-bad" : told > 0 ? "bg-warn" : "bg-accent";
  const text = limit.money ? shortDollars(limit.taken) : count(Number(limit.taken));
  return (
    <span className="flex items-center gap-2">
      <Meter.Root
        value={Math.round(limit.part * 100)}
        aria-label={name}
        getAriaValueText={() => `${text} taken`}
        className="min-w-24 flex-1"
      >
        <Meter.Track className="relative block h-2 overflow-hidden rounded-sm bg-hover">
          <span
            className="absolute inset-y-0 left-0 bg-line-strong"
            style={{ width: `${limit.partHeld * 100}%` }}
          />
          <Meter.Indicator className={cn("absolute inset-y-0 left-0", tone)} />
          {limit.money &&
            warnAt.map((it) => (
              <span
                key={it}
                className="absolute inset-y-0 w-px bg-text/60"
                style={{ left: `${it}%` }}
                title={`You are told at ${it} %`}
              />
            ))}
        </Meter.Track>
      </Meter.Root>
      <span className="w-20 shrink-0 text-right font-mono whitespace-nowrap">
        {limit.money ? <Money pico={limit.taken} /> : text}
        {limit.unknownCalls > 0 && (
          <span
            className="block font-sans text-xs text-warn"
            title={`The cost of ${plural(limit.unknownCalls, "call")} is unknown: they count as what was held for them.`}
          >
            {count(limit.unknownCalls)} unknown
          </span>
        )}
      </span>
    </span>
  );
}
