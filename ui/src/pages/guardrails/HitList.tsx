import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { HitView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { Prose } from "@/components/Prose";
import { Cell, Head, Table } from "@/components/Table";
import { ago, count, fullTime, UNKNOWN } from "@/lib/format";
import { href } from "@/lib/route";

const TONES = { log: "plain", warn: "warn", redact: "accent", block: "bad" } as const;
const WORDS: Record<string, string> = {
  log: "logged",
  warn: "warned",
  redact: "redacted",
  block: "blocked",
};

/** What happened to something that was found. */
export function Action({ hit }: { hit: HitView }) {
  if (hit.rule === "unread") return <Badge tone="warn">not looked at</Badge>;
  return <Badge tone={TONES[hit.action as keyof typeof TONES]}>{WORDS[hit.action] ?? hit.action}</Badge>;
}

/** Hits with what stands around them; `withCall` leads to their calls. */
export function HitList({ hits, withCall }: { hits: HitView[]; withCall: boolean }) {
  return (
    <Table label="Hits">
      <thead>
        <tr>
          {withCall && <Head>Call</Head>}
          <Head>Guardrail</Head>
          <Head>Rule</Head>
          <Head>Did</Head>
          <Head>Where</Head>
          <Head end hint="How often the same text was found in the call">
            Times
          </Head>
          <Head className="w-1/3" hint="With everything that was found masked">
            Around it
          </Head>
          <Head>
            <span className="sr-only">Was it right?</span>
          </Head>
        </tr>
      </thead>
      <tbody>
        {hits.map((it) => (
          <Hit key={it.number ?? `${it.guardrail} ${it.rule} ${it.place}`} hit={it} withCall={withCall} />
        ))}
      </tbody>
    </Table>
  );
}

function Hit({ hit, withCall }: { hit: HitView; withCall: boolean }) {
  return (
    <tr className="hover:bg-hover">
      {withCall && (
        <Cell className="whitespace-nowrap">
          {hit.call != null && hit.at_ms != null && (
            <a
              className="hover:text-accent hover:underline"
              title={`Open the call of ${fullTime(hit.at_ms)}`}
              href={href({ page: "calls", item: hit.call })}
            >
              {ago(hit.at_ms, Date.now())}
            </a>
          )}
        </Cell>
      )}
      <Cell className="wrap-anywhere">{hit.guardrail}</Cell>
      <Cell className="font-mono text-xs wrap-anywhere">{hit.rule}</Cell>
      <Cell>
        <Action hit={hit} />
      </Cell>
      <Cell className="font-mono text-xs whitespace-nowrap">{hit.place}</Cell>
      <Cell end>{count(hit.times)}</Cell>
      <Cell className="text-muted wrap-anywhere">
        {hit.snippet ?? <span className="text-faint">{UNKNOWN}</span>}
      </Cell>
      <Cell end className="font-sans">
        <Wrong hit={hit} />
      </Cell>
    </tr>
  );
}

/** Says that a hit was wrong: its rule does not find that text any more. */
function Wrong({ hit }: { hit: HitView }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const except = useMutation({
    mutationFn: (number: number) => api.exceptHit(number),
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["guardrails"] }),
        queries.invalidateQueries({ queryKey: ["call"] }),
      ]),
  });
  if (hit.excepted) return <span className="text-xs text-faint">Not found any more</span>;
  const { number } = hit;
  if (number == null || hit.fingerprint == null) return null;
  return (
    <span className="inline-flex flex-col items-end">
      <Button
        size="small"
        look="quiet"
        disabled={except.isPending}
        title={`${hit.rule} does not find this text any more`}
        onClick={() => except.mutate(number)}
      >
        This was wrong
      </Button>
      {except.error && (
        <span role="alert" className="text-xs text-bad">
          <Prose text={except.error.message} />
        </span>
      )}
    </span>
  );
}
