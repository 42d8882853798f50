import { useQuery } from "@tanstack/react-query";
import { Plug, RefreshCw, SearchX } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import type { ProviderView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { FilterBox } from "@/components/FilterBox";
import { Segments } from "@/components/Segments";
import { Split } from "@/components/Split";
import { EmptyState, QueryState } from "@/components/states";
import { VirtualTable } from "@/components/VirtualTable";
import { count } from "@/lib/format";
import { go, useRoute } from "@/lib/route";
import { COLUMNS } from "./columns";
import { ProviderPanel } from "./ProviderPanel";
import { isInUse } from "./state";

const ROW_HEIGHT = 30;
const WHICH = [
  { id: "used", label: "In use" },
  { id: "all", label: "All" },
] as const;

/** Who can be called, with whose key, and how they are; one of them open beside the list. */
export function ProvidersPage() {
  const { api } = useApp();
  const { item, filter } = useRoute();
  const [which, setWhich] = useState<"used" | "all">("used");
  const providers = useQuery({ queryKey: ["providers"], queryFn: () => api.providers() });
  const shown = useMemo(() => chosen(providers.data ?? [], which, filter), [providers.data, which, filter]);
  const onFilter = useCallback((text: string) => go({ page: "providers", item, filter: text }, true), [item]);
  const onAll = () => {
    setWhich("all");
    onFilter("");
  };
  const open = (id: string | null) =>
    go({ page: "providers", item: id, filter }, item !== null && id !== null);
  const indexOf = (id: string) => shown.findIndex((it) => it.id === id);
  const list = (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-3 py-1.5">
        <Segments label="Which" options={WHICH} value={which} onChange={setWhich} />
        <FilterBox
          label="Filter providers"
          placeholder="any part of a name, or a format"
          value={filter}
          problem={null}
          onChange={onFilter}
        />
        <span className="ml-auto text-xs whitespace-nowrap text-faint">
          {providers.data && `${count(shown.length)} listed`}
        </span>
        <Button
          look="quiet"
          size="icon"
          aria-label="Look again"
          title="Look again, also for servers on this machine"
          disabled={providers.isFetching}
          onClick={() => void providers.refetch()}
        >
          <RefreshCw className="size-3.5" />
        </Button>
      </div>
      <QueryState query={providers} what="providers" rows={12} />
      {providers.data && shown.length === 0 && <Nothing filtered={filter !== ""} onAll={onAll} />}
      {shown.length > 0 && (
        <VirtualTable
          label="Providers"
          columns={COLUMNS}
          count={shown.length}
          rowAt={(at) => shown[at]}
          keyOf={(it) => it.id}
          rowHeight={ROW_HEIGHT}
          selected={item === null ? null : { key: item, index: indexOf(item) }}
          onSelect={(it) => open(it?.id ?? null)}
          indexOf={indexOf}
        />
      )}
    </div>
  );
  const opened = providers.data?.find((it) => it.id === item);
  return (
    <Split
      id="providers"
      list={list}
      onClose={() => open(null)}
      detail={
        opened === undefined ? null : <ProviderPanel key={opened.id} it={opened} onClose={() => open(null)} />
      }
    />
  );
}

function chosen(all: ProviderView[], which: "used" | "all", filter: string): ProviderView[] {
  const words = filter.toLowerCase().split(/\s+/);
  return all.filter((it) => {
    const text = [it.id, it.name, ...it.formats.map(({ format }) => format)].join(" ").toLowerCase();
    return (which === "all" || isInUse(it)) && words.every((word) => text.includes(word));
  });
}

function Nothing({ filtered, onAll }: { filtered: boolean; onAll: () => void }) {
  const showAll = (
    <button type="button" className="text-accent hover:underline" onClick={onAll}>
      Show all providers
    </button>
  );
  if (filtered) {
    return (
      <EmptyState icon={SearchX} title="No provider matches the filter">
        {showAll}
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={Plug} title="No provider is in use yet">
      <p>
        A provider is in use when it was called since the gateway started, is in the configuration, has a key
        in the gateway’s environment, or runs on this machine.
      </p>
      {showAll}
    </EmptyState>
  );
}
