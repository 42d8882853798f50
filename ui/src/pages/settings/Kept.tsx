import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { Keeping, LedgerView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { Prose } from "@/components/Prose";
import { ErrorState, Skeleton } from "@/components/states";
import { Toggle } from "@/components/Toggle";
import { bytes, plural } from "@/lib/format";

/** What is kept of what was said, read and changed. */
export function Kept() {
  const { api } = useApp();
  const ledger = useQuery({ queryKey: ["ledger"], queryFn: () => api.ledger() });
  if (ledger.isPending) return <Skeleton rows={3} label="Loading what is kept" />;
  if (ledger.error)
    return (
      <ErrorState
        title="What is kept could not be read"
        error={ledger.error}
        onRetry={() => void ledger.refetch()}
      />
    );
  return <Form key={JSON.stringify(ledger.data.keeping)} ledger={ledger.data} />;
}

function Form({ ledger }: { ledger: LedgerView }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const [wanted, setWanted] = useState(ledger.keeping);
  const save = useMutation({
    mutationFn: (keeping: Keeping) => api.setKeeping(keeping),
    // The gateway follows the file a moment later: until then the form shows what was written.
    onSuccess: (_, keeping) => queries.setQueryData(["ledger"], { ...ledger, keeping }),
  });
  const change = (part: Partial<Keeping>) => setWanted({ ...wanted, ...part });
  const changed = JSON.stringify(wanted) !== JSON.stringify(ledger.keeping);
  const acceptable = wanted.bodies_mib >= 1 && (wanted.bodies_days == null || wanted.bodies_days >= 1);
  return (
    <form
      className="flex flex-col gap-3 text-sm"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(wanted);
      }}
    >
      <div className="flex items-center gap-2">
        <Toggle
          label="Keep requests and answers"
          checked={wanted.keep_bodies}
          onChange={(keep_bodies) => change({ keep_bodies })}
        />
        <span>Keep requests and answers</span>
      </div>
      <Amount
        name="At most"
        unit="MiB, compressed; the oldest go first"
        value={wanted.bodies_mib}
        onChange={(it) => change({ bodies_mib: it ?? 0 })}
      />
      <Amount
        name="For"
        unit="days; empty: while there is room"
        value={wanted.bodies_days ?? null}
        onChange={(bodies_days) => change({ bodies_days })}
      />
      {save.error && (
        <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1.5 break-words text-bad">
          <Prose text={save.error.message} />
        </p>
      )}
      <div className="flex items-center gap-3">
        <Button type="submit" look="main" disabled={!changed || !acceptable || save.isPending}>
          Save
        </Button>
        <span className="text-xs text-faint">
          {bytes(ledger.bodies_bytes)} are kept now
          {ledger.unread > 0 && `, of which ${plural(ledger.unread, "call")} cannot be searched yet`}
        </span>
      </div>
      <p className="text-xs break-all text-faint">
        In {ledger.folder}, by <span className="font-mono">[ledger]</span> in {ledger.configuration}
      </p>
    </form>
  );
}

function Amount(props: {
  name: string;
  unit: string;
  value: number | null;
  onChange: (value: number | null) => void;
}) {
  const id = useId();
  return (
    <div className="flex items-center gap-2">
      <label htmlFor={id} className="w-16 text-muted">
        {props.name}
      </label>
      <input
        id={id}
        type="number"
        min={1}
        step={1}
        value={props.value ?? ""}
        onChange={(event) =>
          props.onChange(event.target.value === "" ? null : Math.trunc(Number(event.target.value)))
        }
        className="h-7 w-28 rounded-md border border-line-strong bg-raised px-2 font-mono"
      />
      <span className="text-muted">{props.unit}</span>
    </div>
  );
}
