import { useQuery } from "@tanstack/react-query";
import { Waypoints } from "lucide-react";
import { Fragment } from "react";
import type { ModelView, TargetView } from "@/api/schema";
import { useApp, useStatus } from "@/app/context";
import { Badge } from "@/components/Badge";
import { InConfiguration } from "@/components/InConfiguration";
import { Prose } from "@/components/Prose";
import { StateWord } from "@/components/StateWord";
import { EmptyState, QueryState } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { callCondition } from "@/lib/callFilter";
import { cn } from "@/lib/cn";
import { count, duration, plural, UNKNOWN } from "@/lib/format";
import { href } from "@/lib/route";
import { STRATEGIES, targetState } from "./state";

/** How targets are changes without an event: it is asked for this often while it is shown. */
const REFRESH_MS = 2_000;

/** The user's own models, who serves them, and how those are. */
export function ModelsTab() {
  const { api } = useApp();
  const models = useQuery({
    queryKey: ["models"],
    queryFn: () => api.models(),
    refetchInterval: REFRESH_MS,
  });
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <QueryState query={models} what="models" />
      {models.data?.length === 0 && <NoModels />}
      {models.data && models.data.length > 0 && <Models models={models.data} />}
    </div>
  );
}

const EXAMPLE = `[[models]]
name = "fast"
strategy = "fallback"
targets = [
    { provider = "openai", model = "gpt-5-mini" },
    { provider = "anthropic", model = "claude-haiku-4-5" },
]`;

function NoModels() {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label="No models" tabIndex={0} className="flex min-h-0 flex-1 overflow-y-auto">
      <EmptyState icon={Waypoints} title="You have no models of your own">
        <p>
          Such a model is a name that any program can ask for, and the providers that serve it, in whatever
          format each of them speaks. When one fails, the next one answers.
        </p>
        <InConfiguration example={EXAMPLE} />
        <p>
          A provider needs a key of its own there (<code>api_key</code>), unless it is the one that the
          program would have reached anyway, or a server on this machine.
        </p>
      </EmptyState>
    </section>
  );
}

function Models({ models }: { models: ModelView[] }) {
  const status = useStatus();
  const weighted = models.some(isWeighted);
  return (
    <>
      <Table label="Models">
        <thead>
          <tr>
            <Head>Target</Head>
            {weighted && (
              <Head end hint="How often it is the first to be tried">
                Share
              </Head>
            )}
            <Head end hint="How long the head of an answer took lately">
              Latency
            </Head>
            <Head end hint="Calls under way">
              Live
            </Head>
            <Head className="w-2/5">State</Head>
          </tr>
        </thead>
        {models.map((model) => (
          <Model key={model.name} model={model} weighted={weighted} />
        ))}
      </Table>
      <footer className="flex shrink-0 items-baseline gap-x-3 border-t px-3 py-1 text-xs text-faint">
        <span className="whitespace-nowrap">{plural(models.length, "model")}</span>
        {status && (
          <span className="ml-auto min-w-0 truncate font-mono" title={status.configuration_file}>
            {status.configuration_file}
          </span>
        )}
      </footer>
    </>
  );
}

function isWeighted(model: ModelView): boolean {
  return model.strategy === "weighted";
}

function Model({ model, weighted }: { model: ModelView; weighted: boolean }) {
  const columns = weighted ? 5 : 4;
  const weights = model.targets.reduce((sum, it) => sum + it.weight, 0);
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" colSpan={columns} className="bg-surface px-3 pt-3 pb-1.5 text-left font-normal">
          <span className="flex flex-wrap items-baseline gap-x-2.5 gap-y-0.5">
            <a
              className="font-mono text-base font-semibold wrap-anywhere hover:text-accent hover:underline"
              title={`Calls of ${model.name}`}
              href={href({ page: "calls", filter: callCondition("model", model.name) })}
            >
              {model.name}
            </a>
            <Badge>{model.strategy}</Badge>
            <span className="text-xs text-faint">{STRATEGIES[model.strategy]}</span>
          </span>
        </th>
      </tr>
      {model.targets.map((target, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a target may stand there twice, and has no other name.
        <Fragment key={at}>
          <Target target={target} weights={weighted ? (isWeighted(model) ? weights : 0) : null} />
        </Fragment>
      ))}
    </tbody>
  );
}

/** `weights` is the sum of the model's; 0 where they count for nothing, `null` where no model has a share. */
function Target({ target, weights }: { target: TargetView; weights: number | null }) {
  const state = targetState(target);
  return (
    <tr className="hover:bg-hover">
      <Cell className="pl-6 align-top">
        <span className="font-medium wrap-anywhere">{target.provider}</span>{" "}
        <span className="font-mono wrap-anywhere text-muted">{target.model}</span>
      </Cell>
      {weights !== null && (
        <Cell end className="align-top" title={weights > 0 ? `weight ${target.weight}` : undefined}>
          {weights > 0 && `${((target.weight / weights) * 100).toFixed(0)} %`}
        </Cell>
      )}
      <Cell end className="align-top">
        {target.latency_us == null ? (
          <span className="text-faint">{UNKNOWN}</span>
        ) : (
          duration(target.latency_us)
        )}
      </Cell>
      <Cell end className={cn("align-top", target.under_way > 0 ? "text-accent" : "text-faint")}>
        {count(target.under_way)}
      </Cell>
      <Cell className="align-top">
        <StateWord tone={state.tone}>{state.word}</StateWord>
        {state.more !== null && (
          <span className="block pl-4 text-xs break-words text-faint">
            <Prose text={state.more} />
          </span>
        )}
      </Cell>
    </tr>
  );
}
