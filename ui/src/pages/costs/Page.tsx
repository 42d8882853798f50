import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Coins } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { costsPath } from "@/api/client";
import { useApp, useRefreshOnCalls } from "@/app/context";
import { SaveFile } from "@/components/SaveFile";
import { Segments } from "@/components/Segments";
import { EmptyState, QueryState } from "@/components/states";
import { RANGES, type RangeId, sinceMs } from "@/lib/range";
import { FirstCall } from "../calls/FirstCall";
import { BY, type By, Rows } from "./Rows";
import { Summary } from "./Summary";

const CostChart = lazy(() => import("./CostChart"));

/** What was spent, on what, when, and how that stands beside the time before. */
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
  const some = costs.data && costs.data.total.calls > 0;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 flex-wrap items-center gap-x-3 gap-y-1.5 border-b px-3 py-1.5">
        <Segments label="Time" options={RANGES} value={range} onChange={setRange} />
        <span className="text-xs text-faint">by</span>
        <Segments label="Sum by" options={BY} value={by} onChange={setBy} />
        {some && (
          <div className="ml-auto flex items-center gap-2">
            <Export by={by} range={range} />
          </div>
        )}
      </div>
      <QueryState query={costs} what="costs" />
      {costs.data?.total.calls === 0 && (
        <EmptyState icon={Coins} title="Nothing was spent in this time">
          <FirstCall />
        </EmptyState>
      )}
      {some && (
        <>
          <Summary costs={costs.data} />
          <Suspense fallback={<div className="h-[180px] shrink-0 border-b" />}>
            <CostChart costs={costs.data} />
          </Suspense>
          <Rows costs={costs.data} by={by} />
        </>
      )}
    </div>
  );
}

/** What is shown, as files. */
function Export({ by, range }: { by: By; range: RangeId }) {
  const query = { by, since_ms: sinceMs(range, Date.now()) };
  const file = (as: "csv" | "json", hint: string) => ({
    label: as.toUpperCase(),
    path: costsPath(query, as),
    name: `tollgate-costs-by-${by}.${as}`,
    hint,
  });
  return (
    <SaveFile
      of={[
        file("csv", "A line for each row, with every kind of token and every digit, for a spreadsheet"),
        file("json", "All that this page shows, as the admin API says it"),
      ]}
    />
  );
}
