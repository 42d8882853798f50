import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import type { KeyView } from "@/api/schema";
import { useApp, useRefreshOnCalls } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { Segments } from "@/components/Segments";
import { Split } from "@/components/Split";
import { EmptyState, QueryState } from "@/components/states";
import { VirtualTable } from "@/components/VirtualTable";
import { count } from "@/lib/format";
import { go, useRoute } from "@/lib/route";
import { CreateKey } from "./CreateKey";
import { COLUMNS } from "./columns";
import { KeyPanel } from "./KeyPanel";

const ROW_HEIGHT = 30;
const WHICH = [
  { id: "good", label: "Good" },
  { id: "all", label: "All" },
] as const;

/** The local keys: who may call with what, and what was called; one of them open beside the list. */
export function KeysPage() {
  const { api } = useApp();
  const { item } = useRoute();
  const [which, setWhich] = useState<"good" | "all">("good");
  const [making, setMaking] = useState(false);
  const keys = useQuery({ queryKey: ["keys"], queryFn: () => api.keys() });
  useRefreshOnCalls("keys", "settled");
  const all = keys.data?.keys ?? [];
  const shown = all.filter((it) => which === "all" || it.state === "good" || it.name === item);
  const open = (name: string | null) => go({ page: "keys", item: name }, item !== null && name !== null);
  const indexOf = (name: string) => shown.findIndex((it) => it.name === name);
  const list = (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-3 py-1.5">
        <Segments label="Which" options={WHICH} value={which} onChange={setWhich} />
        {keys.data?.required && (
          <Badge tone="accent" title="`require_keys` is set: no call is served without a key">
            every call needs a key
          </Badge>
        )}
        <span className="ml-auto text-xs whitespace-nowrap text-faint">
          {keys.data && `${count(shown.length)} listed`}
        </span>
        <Button look="main" onClick={() => setMaking(true)}>
          Make a key
        </Button>
      </div>
      <QueryState query={keys} what="keys" />
      {keys.data && shown.length === 0 && <Nothing of={all} onAll={() => setWhich("all")} />}
      {shown.length > 0 && (
        <VirtualTable
          label="Keys"
          columns={COLUMNS}
          count={shown.length}
          rowAt={(at) => shown[at]}
          keyOf={(it) => it.name}
          rowHeight={ROW_HEIGHT}
          rowClass={(it) => (it.state === "good" ? "" : "text-muted")}
          selected={item === null ? null : { key: item, index: indexOf(item) }}
          onSelect={(it) => open(it?.name ?? null)}
          indexOf={indexOf}
        />
      )}
      <CreateKey open={making} onClose={() => setMaking(false)} />
    </div>
  );
  const opened = all.find((it) => it.name === item);
  return (
    <Split
      id="keys"
      list={list}
      onClose={() => open(null)}
      detail={
        opened === undefined ? null : <KeyPanel key={opened.name} it={opened} onClose={() => open(null)} />
      }
    />
  );
}

function Nothing({ of, onAll }: { of: KeyView[]; onAll: () => void }) {
  return (
    <EmptyState icon={KeyRound} title={of.length === 0 ? "There is no key yet" : "No key is good any more"}>
      <p>
        Programs of your own user need none. A key is for an agent or a job that may do less than everything,
        and for a program of another user or in a container.
      </p>
      {of.length > 0 && (
        <button type="button" className="text-accent hover:underline" onClick={onAll}>
          Show those that are no longer good
        </button>
      )}
    </EmptyState>
  );
}
