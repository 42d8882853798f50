import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ShieldAlert } from "lucide-react";
import { useState } from "react";
import type { ExceptionView, GuardrailView } from "@/api/schema";
import { useApp, useRefreshOnCalls, useStatus } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { CopyLine } from "@/components/CopyLine";
import { Segments } from "@/components/Segments";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { ago, fullTime, plural, UNKNOWN } from "@/lib/format";
import { HitList } from "./HitList";

/** Hits that are shown; the command line and the API have the older ones. */
const SHOWN = 200;

const PARTS = [
  { id: "hits", label: "Hits" },
  { id: "guardrails", label: "Guardrails" },
  { id: "exceptions", label: "Exceptions" },
] as const;

type Part = (typeof PARTS)[number]["id"];

/** What guardrails found, which there are, and what they find wrongly. */
export function GuardrailsPage() {
  const [part, setPart] = useState<Part>("hits");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-3 py-1.5">
        <Segments label="Part" options={PARTS} value={part} onChange={setPart} />
      </div>
      {part === "hits" && <Hits />}
      {part === "guardrails" && <Guardrails />}
      {part === "exceptions" && <Exceptions />}
    </div>
  );
}

function Hits() {
  const { api } = useApp();
  const hits = useQuery({ queryKey: ["guardrails", "hits"], queryFn: () => api.hits(SHOWN) });
  const guardrails = useQuery({ queryKey: ["guardrails", "list"], queryFn: () => api.guardrails() });
  useRefreshOnCalls("guardrails", "settled");
  if (hits.isPending || guardrails.isPending) return <Skeleton label="Loading hits" />;
  const error = hits.error ?? guardrails.error;
  if (hits.data === undefined) {
    return (
      <ErrorState
        title="What guardrails found could not be read"
        error={error ?? new Error("")}
        onRetry={() => void hits.refetch()}
      />
    );
  }
  if (hits.data.hits.length === 0) {
    return guardrails.data?.length === 0 ? <NoGuardrails /> : <NothingFound />;
  }
  return (
    <>
      {error && <StaleNote error={error} />}
      <HitList hits={hits.data.hits} withCall />
      <footer className="shrink-0 border-t px-3 py-1 text-xs text-faint">
        {hits.data.next == null
          ? plural(hits.data.hits.length, "hit")
          : `the newest ${plural(hits.data.hits.length, "hit")}`}
      </footer>
    </>
  );
}

function NothingFound() {
  return (
    <EmptyState icon={ShieldAlert} title="Nothing was found">
      <p>What your guardrails find in calls is listed here, with what stands around it.</p>
    </EmptyState>
  );
}

const EXAMPLE = `[[guardrails]]
name = "no secrets leave"
check = "secrets"
on = "requests"
action = "redact"`;

function NoGuardrails() {
  const status = useStatus();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label="No guardrails" tabIndex={0} className="flex min-h-0 flex-1 overflow-y-auto">
      <EmptyState icon={ShieldAlert} title="You have no guardrails">
        <p>
          A guardrail looks for something in requests and answers: keys and passwords, personal data, attacks,
          words of yours. What is found is logged, warned of, replaced before the provider sees it, or
          blocked.
        </p>
        <CopyLine label="an example" text={EXAMPLE} />
        {status && (
          <div className="flex w-full flex-col gap-1.5">
            <p>It stands in the configuration file, and holds as soon as that is saved:</p>
            <CopyLine label="the path of the configuration file" text={status.configuration_file} />
          </div>
        )}
      </EmptyState>
    </section>
  );
}

function Guardrails() {
  const { api } = useApp();
  const guardrails = useQuery({ queryKey: ["guardrails", "list"], queryFn: () => api.guardrails() });
  if (guardrails.isPending) return <Skeleton label="Loading guardrails" />;
  if (guardrails.data === undefined) {
    return (
      <ErrorState
        title="The guardrails could not be read"
        error={guardrails.error}
        onRetry={() => void guardrails.refetch()}
      />
    );
  }
  if (guardrails.data.length === 0) return <NoGuardrails />;
  return (
    <Table label="Guardrails">
      <thead>
        <tr>
          <Head>Guardrail</Head>
          <Head>For</Head>
          <Head>Looks at</Head>
          <Head>For what</Head>
          <Head>Does</Head>
          <Head className="w-1/2">Rules</Head>
        </tr>
      </thead>
      <tbody>
        {guardrails.data.map((it) => (
          <Guardrail key={it.name} guardrail={it} />
        ))}
      </tbody>
    </Table>
  );
}

function Guardrail({ guardrail }: { guardrail: GuardrailView }) {
  const scope = guardrail.scope.map((it) => `${it.dimension} ${it.pattern}`).join(", ");
  return (
    <tr className="hover:bg-hover">
      <Cell className="font-medium wrap-anywhere">{guardrail.name}</Cell>
      <Cell className="wrap-anywhere">{scope || <span className="text-faint">every call</span>}</Cell>
      <Cell>{guardrail.on === "both" ? "requests and answers" : guardrail.on}</Cell>
      <Cell className="font-mono text-xs">{guardrail.check}</Cell>
      <Cell>
        <Badge tone={guardrail.action === "block" ? "bad" : "plain"}>{guardrail.action}</Badge>
      </Cell>
      <Cell className="text-xs text-muted">
        {guardrail.rules.map((rule, at) => (
          <span key={rule.id} title={rule.title}>
            {at > 0 && ", "}
            <span className="font-mono">{rule.id}</span>
          </span>
        ))}
      </Cell>
    </tr>
  );
}

function Exceptions() {
  const { api } = useApp();
  const exceptions = useQuery({
    queryKey: ["guardrails", "exceptions"],
    queryFn: () => api.guardrailExceptions(),
  });
  if (exceptions.isPending) return <Skeleton label="Loading exceptions" />;
  if (exceptions.data === undefined) {
    return (
      <ErrorState
        title="The exceptions could not be read"
        error={exceptions.error}
        onRetry={() => void exceptions.refetch()}
      />
    );
  }
  if (exceptions.data.length === 0) {
    return (
      <EmptyState icon={ShieldAlert} title="Nothing was found wrongly">
        <p>
          “This was wrong” on a hit makes an exception: its rule does not find that text any more. The text
          itself is not kept.
        </p>
      </EmptyState>
    );
  }
  return (
    <Table label="Exceptions">
      <thead>
        <tr>
          <Head>Since</Head>
          <Head>Rule</Head>
          <Head>Found by</Head>
          <Head className="w-1/2">Around it</Head>
          <Head>
            <span className="sr-only">End</span>
          </Head>
        </tr>
      </thead>
      <tbody>
        {exceptions.data.map((it) => (
          <Exception key={it.fingerprint} exception={it} />
        ))}
      </tbody>
    </Table>
  );
}

function Exception({ exception }: { exception: ExceptionView }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: () => api.endException(exception.fingerprint),
    onSettled: () => queries.invalidateQueries({ queryKey: ["guardrails"] }),
  });
  return (
    <tr className="hover:bg-hover">
      <Cell className="whitespace-nowrap" title={fullTime(exception.made_at_ms)}>
        {ago(exception.made_at_ms, Date.now())}
      </Cell>
      <Cell className="font-mono text-xs">{exception.rule}</Cell>
      <Cell className="wrap-anywhere">{exception.guardrail}</Cell>
      <Cell className="text-muted wrap-anywhere">
        {exception.snippet ?? <span className="text-faint">{UNKNOWN}</span>}
      </Cell>
      <Cell end className="font-sans">
        <Button
          size="small"
          look="quiet"
          disabled={end.isPending}
          title={`${exception.rule} finds this text again`}
          onClick={() => end.mutate()}
        >
          Find it again
        </Button>
      </Cell>
    </tr>
  );
}
