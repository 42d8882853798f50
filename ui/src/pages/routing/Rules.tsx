import { useQuery } from "@tanstack/react-query";
import { ListChecks } from "lucide-react";
import type { RuleView } from "@/api/schema";
import { useApp, useStatus } from "@/app/context";
import { Badge } from "@/components/Badge";
import { InConfiguration } from "@/components/InConfiguration";
import { EmptyState, QueryState } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { ago, count, fullTime, plural } from "@/lib/format";
import { href } from "@/lib/route";
import { EXAMPLE_RULE } from "./example";

/** What rules did changes without an event: it is asked for this often while it is shown. */
const REFRESH_MS = 2_000;

/** The rules in force in their order, what each does, and when it last did. */
export function RulesTab() {
  const { api } = useApp();
  const rules = useQuery({
    queryKey: ["rules"],
    queryFn: () => api.rules(),
    refetchInterval: REFRESH_MS,
  });
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <QueryState query={rules} what="rules" />
      {rules.data?.length === 0 && <NoRules />}
      {rules.data && rules.data.length > 0 && <Rules rules={rules.data} />}
    </div>
  );
}

function NoRules() {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label="No rules" tabIndex={0} className="flex min-h-0 flex-1 overflow-y-auto">
      <EmptyState icon={ListChecks} title="You have no rules">
        <p>
          A rule says what is to happen to certain calls: deny them, ask for another model, cap a parameter,
          set headers and fields, or add to the system prompt.
        </p>
        <InConfiguration example={EXAMPLE_RULE} />
        <a className="text-accent hover:underline" href={href({ page: "routing", item: "try" })}>
          Try rules on a call first
        </a>
      </EmptyState>
    </section>
  );
}

function Rules({ rules }: { rules: RuleView[] }) {
  const status = useStatus();
  return (
    <>
      <Table label="Rules">
        <thead>
          <tr>
            <Head end className="w-8">
              <span className="sr-only">Place</span>
            </Head>
            <Head>Rule</Head>
            <Head className="w-1/3">Does</Head>
            <Head end hint="Calls since the gateway started, or since the rule is as it stands">
              Fired
            </Head>
            <Head end>Last</Head>
          </tr>
        </thead>
        <tbody>
          {rules.map((it, at) => (
            <Rule key={it.name} it={it} place={at + 1} />
          ))}
        </tbody>
      </Table>
      <footer className="flex shrink-0 items-baseline gap-x-3 border-t px-3 py-1 text-xs text-faint">
        <span className="whitespace-nowrap">{plural(rules.length, "rule")}, in this order</span>
        {status && (
          <span className="ml-auto min-w-0 truncate font-mono" title={status.configuration_file}>
            {status.configuration_file}
          </span>
        )}
      </footer>
    </>
  );
}

function Rule({ it, place }: { it: RuleView; place: number }) {
  return (
    <tr className="hover:bg-hover">
      <Cell end className="align-top text-faint">
        {place}
      </Cell>
      <Cell className="align-top">
        <span className="font-medium wrap-anywhere">{it.name}</span>
        {it.when == null ? (
          <span className="block text-xs text-faint">every call</span>
        ) : (
          <code className="block text-xs wrap-anywhere whitespace-pre-wrap text-muted">{it.when.trim()}</code>
        )}
      </Cell>
      <Cell className="align-top">
        <Does it={it} />
      </Cell>
      <Cell end className="align-top">
        <span className={it.fired === 0 ? "text-faint" : undefined}>{count(it.fired)}</span>
        {it.failed > 0 && (
          <span
            className="block text-xs text-warn"
            title="Calls that the condition could not be evaluated for; the rule did nothing"
          >
            {count(it.failed)} failed
          </span>
        )}
      </Cell>
      <Cell end className="align-top">
        <Last it={it} />
      </Cell>
    </tr>
  );
}

function Does({ it }: { it: RuleView }) {
  if (it.deny != null) {
    return (
      <>
        <Badge tone="bad">deny</Badge> <span className="break-words text-muted">{it.deny}</span>
      </>
    );
  }
  return (
    <ul className="text-muted">
      {it.actions.map(({ action, on }) => (
        <li key={`${action} ${on}`} className="wrap-anywhere">
          <code>
            {action} {on != null && <span className="text-text">{on}</span>}
          </code>
        </li>
      ))}
    </ul>
  );
}

function Last({ it }: { it: RuleView }) {
  if (it.last_fired_at_ms == null || it.last_fired_for == null) {
    return <span className="font-sans text-faint">not yet</span>;
  }
  return (
    <a
      className="font-sans whitespace-nowrap text-accent hover:underline"
      title={`Show the call of ${fullTime(it.last_fired_at_ms)}`}
      href={href({ page: "calls", item: it.last_fired_for })}
    >
      {ago(it.last_fired_at_ms, Date.now())}
    </a>
  );
}
