import type { KeyView } from "@/api/schema";
import type { Column } from "@/components/columns";
import { CostSum } from "@/components/Money";
import { StateWord } from "@/components/StateWord";
import { ago, count, dayOf, fullTime } from "@/lib/format";
import { keyState, scopeOf } from "./state";

/** The columns of the list of keys. */
export const COLUMNS: Column<KeyView>[] = [
  {
    id: "name",
    header: "Key",
    width: 180,
    grow: 1.2,
    drop: 0,
    cell: (it) => (
      <span title={`It begins with ${it.beginning}`}>
        <span className="font-medium">{it.name}</span>{" "}
        <span className="font-mono text-faint">{it.beginning}…</span>
      </span>
    ),
  },
  { id: "state", header: "State", width: 90, drop: 0, cell: (it) => <State it={it} /> },
  { id: "scope", header: "For", width: 160, grow: 1.6, drop: 2, cell: (it) => <Scope it={it} /> },
  {
    id: "expires",
    header: "Expires",
    width: 80,
    drop: 3,
    cell: (it) => <Day ms={it.expires_at_ms ?? null} none="never" />,
  },
  {
    id: "used",
    header: "Last used",
    width: 100,
    drop: 1,
    cell: (it) =>
      it.last_used_ms == null ? (
        <span className="text-faint">never</span>
      ) : (
        <time title={fullTime(it.last_used_ms)}>{ago(it.last_used_ms, Date.now())}</time>
      ),
  },
  {
    id: "calls",
    header: "Calls",
    hint: "Calls of this month",
    width: 70,
    end: true,
    drop: 2,
    cell: (it) => count(it.month_calls),
  },
  {
    id: "cost",
    header: "This month",
    hint: "What the calls of this month cost",
    width: 110,
    end: true,
    drop: 0,
    cell: (it) => <MonthCost it={it} />,
  },
];

/** What the calls of this month cost. */
export function MonthCost({ it }: { it: KeyView }) {
  return (
    <CostSum
      pico={it.month_cost_pico_usd}
      estimated={it.month_estimated_pico_usd}
      unknown={it.month_unknown_cost}
    />
  );
}

function State({ it }: { it: KeyView }) {
  const { tone, word } = keyState(it);
  return <StateWord tone={tone}>{word}</StateWord>;
}

function Scope({ it }: { it: KeyView }) {
  const text = scopeOf(it);
  return (
    <span title={text} className={text === "anything" ? "text-faint" : undefined}>
      {text}
    </span>
  );
}

function Day({ ms, none }: { ms: number | null; none: string }) {
  if (ms === null) return <span className="text-faint">{none}</span>;
  return <time title={fullTime(ms)}>{dayOf(ms)}</time>;
}
