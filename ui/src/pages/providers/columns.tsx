import type { ProviderView } from "@/api/schema";
import type { Column } from "@/components/columns";
import { StateWord } from "@/components/StateWord";
import { cn } from "@/lib/cn";
import { keyOf, providerState } from "./state";

/** The columns of the list of providers. */
export const COLUMNS: Column<ProviderView>[] = [
  { id: "name", header: "Provider", width: 150, grow: 1.2, drop: 0, cell: (it) => <Name it={it} /> },
  { id: "state", header: "State", width: 170, grow: 1.6, drop: 0, cell: (it) => <State it={it} /> },
  { id: "key", header: "Key", width: 150, grow: 1, drop: 1, cell: (it) => <Key it={it} /> },
  {
    id: "formats",
    header: "Formats",
    width: 150,
    grow: 1,
    drop: 2,
    cell: (it) => (
      <span className="font-mono text-muted">{it.formats.map(({ format }) => format).join(" ")}</span>
    ),
  },
];

function Name({ it }: { it: ProviderView }) {
  return (
    <span title={it.id}>
      <span className={cn(it.configured && "font-medium")}>{it.name}</span>{" "}
      {it.name !== it.id && <span className="font-mono text-faint">{it.id}</span>}
    </span>
  );
}

function State({ it }: { it: ProviderView }) {
  const { tone, word, more } = providerState(it);
  return (
    <StateWord tone={tone}>
      <span title={more ?? undefined}>
        {word}
        {more !== null && <span className="text-faint"> · {more}</span>}
      </span>
    </StateWord>
  );
}

function Key({ it }: { it: ProviderView }) {
  const ready = it.env_set != null && it.auth !== "none";
  return (
    <span className={it.credential == null ? "text-faint" : undefined}>
      {keyOf(it)}
      {ready && ` · ${it.env_set} is set`}
    </span>
  );
}
