import { useMutation, useQueryClient } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, CircleDashed, type LucideIcon } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import type { FindingState, FindingView, ProviderView, TrialView } from "@/api/schema";
import { useApp, useStatus } from "@/app/context";
import { Button } from "@/components/Button";
import { EstimateMark, Money } from "@/components/Money";
import { Prose } from "@/components/Prose";
import { duration } from "@/lib/format";
import { href } from "@/lib/route";

const NAMES: Record<string, string> = {
  configured: "Configured",
  reached: "Reached",
  tls: "TLS",
  credential: "Key accepted",
  answered: "Model answered",
  usage: "Usage told",
};
const LOOKS: Record<FindingState, { icon: LucideIcon; tone: string; name: string }> = {
  good: { icon: CircleCheck, tone: "text-ok", name: "good" },
  bad: { icon: CircleAlert, tone: "text-bad", name: "failed" },
  untold: { icon: CircleDashed, tone: "text-faint", name: "not tried" },
};

/** Makes a provider answer once, and tells step by step how that went. */
export function Trial({ provider }: { provider: ProviderView }) {
  const { api } = useApp();
  const status = useStatus();
  const queries = useQueryClient();
  const [model, setModel] = useState("");
  const id = useId();
  const trial = useMutation({
    mutationFn: () => api.testProvider(provider.id, model.trim() || null),
    onSettled: () => queries.invalidateQueries({ queryKey: ["providers"] }),
  });
  const start = (event: FormEvent) => {
    event.preventDefault();
    if (!trial.isPending) trial.mutate();
  };
  return (
    <section aria-labelledby={`${id}-title`} className="flex flex-col gap-3 border-t p-4">
      <header>
        <h3 id={`${id}-title`} className="font-semibold">
          Test
        </h3>
        <p className="text-sm text-muted">
          Makes the smallest real call, which stands among the calls.{" "}
          {status?.simulated ? "The simulator answers it." : "The provider bills it."}
        </p>
      </header>
      <form onSubmit={start} className="flex items-center gap-2">
        <input
          type="text"
          spellCheck={false}
          autoComplete="off"
          aria-label="Model"
          placeholder="the cheapest model"
          value={model}
          list={`${id}-models`}
          onChange={(event) => setModel(event.target.value)}
          className="h-7 w-64 min-w-0 rounded-md border border-line-strong bg-raised px-2 font-mono text-sm placeholder:font-sans placeholder:text-faint"
        />
        <datalist id={`${id}-models`}>
          {provider.local?.models.map((it) => (
            <option key={it} value={it} />
          ))}
        </datalist>
        <Button type="submit" look="main" disabled={trial.isPending}>
          {trial.isPending ? "Testing…" : "Test"}
        </Button>
      </form>
      <div aria-live="polite">
        {trial.error && (
          <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
            The test could not be made: <Prose text={trial.error.message} />
          </p>
        )}
        {trial.data && !trial.isPending && <Found trial={trial.data} />}
      </div>
    </section>
  );
}

function Found({ trial }: { trial: TrialView }) {
  const { call } = trial;
  return (
    <div className="flex flex-col gap-2">
      <ul className="overflow-hidden rounded-lg border text-sm">
        {trial.findings.map((it) => (
          <Finding key={it.what} it={it} />
        ))}
      </ul>
      {call != null && (
        <p className="flex flex-wrap items-baseline gap-x-4 gap-y-1 text-sm text-muted">
          {trial.model != null && <span className="font-mono text-text">{trial.model}</span>}
          <span className="font-mono">{duration(call.duration_us)}</span>
          {trial.cost_pico_usd != null ? (
            <span>
              {call.usage_counted && <EstimateMark />}
              <Money pico={trial.cost_pico_usd} />
            </span>
          ) : (
            <span className="text-warn">cost unknown</span>
          )}
          <a className="text-accent hover:underline" href={href({ page: "calls", item: call.id })}>
            Show the call
          </a>
        </p>
      )}
    </div>
  );
}

function Finding({ it }: { it: FindingView }) {
  const look = LOOKS[it.state];
  const Icon = look.icon;
  return (
    <li className="flex gap-2.5 border-b px-3 py-1.5 last:border-b-0">
      <Icon aria-hidden className={`mt-0.5 size-4 shrink-0 ${look.tone}`} />
      <span className="w-28 shrink-0">
        {NAMES[it.what] ?? it.what} <span className="sr-only">({look.name})</span>
      </span>
      <span className={`min-w-0 break-words ${it.state === "bad" ? "text-bad" : "text-muted"}`}>
        {it.detail != null && <Prose text={it.detail} />}
      </span>
    </li>
  );
}
