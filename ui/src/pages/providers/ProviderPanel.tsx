import { X } from "lucide-react";
import type { ReactNode } from "react";
import type { ProviderView } from "@/api/schema";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { capital, Prose } from "@/components/Prose";
import { StateWord } from "@/components/StateWord";
import { callCondition } from "@/lib/callFilter";
import { ago, fullTime, UNKNOWN } from "@/lib/format";
import { href } from "@/lib/route";
import { Prices } from "./Prices";
import { keyOf, providerState } from "./state";
import { Trial } from "./Trial";

/** One provider in full, and a trial of it. */
export function ProviderPanel({ it, onClose }: { it: ProviderView; onClose: () => void }) {
  const state = providerState(it);
  return (
    <section aria-label="Provider" className="flex h-full min-h-0 flex-col bg-bg">
      <header className="flex shrink-0 items-center gap-2 border-b px-4 pt-2.5 pb-2">
        <h2 className="min-w-0 truncate text-lg font-semibold">{it.name}</h2>
        {it.name !== it.id && <span className="truncate font-mono text-faint">{it.id}</span>}
        {it.configured && <Badge tone="accent">configured</Badge>}
        {!it.in_catalogue && <Badge>your own</Badge>}
        <Button
          look="quiet"
          size="icon"
          className="-mr-2 ml-auto"
          aria-label="Close the provider"
          onClick={onClose}
        >
          <X className="size-4" />
        </Button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable. */}
      <section aria-label="What is known of it" tabIndex={0} className="min-h-0 flex-1 overflow-y-auto">
        <dl className="grid grid-cols-[6.5rem_1fr] gap-x-3 gap-y-2 p-4 text-sm">
          <Row name="State">
            <StateWord tone={state.tone}>{capital(state.word)}</StateWord>
            {state.more !== null && <More text={state.more} />}
          </Row>
          <Row name="Key">
            {capital(keyOf(it))}
            {it.env_set != null && it.auth !== "none" && (
              <More text={`\`${it.env_set}\` is set where the gateway runs, but no \`api_key\` uses it`} />
            )}
          </Row>
          <Row name="Formats">
            <ul>
              {it.formats.map(({ format, base_url }) => (
                <li key={format}>
                  <span className="font-mono">{format}</span>{" "}
                  <span className="font-mono break-all text-faint">{base_url}</span>
                </li>
              ))}
            </ul>
          </Row>
          {it.local?.running && (
            <Row name="Models here">
              {it.local.models.length === 0 ? (
                <span className="text-faint">it has none</span>
              ) : (
                <ul className="font-mono">
                  {it.local.models.map((model) => (
                    <li key={model} className="break-all">
                      {model}
                    </li>
                  ))}
                </ul>
              )}
            </Row>
          )}
          <Row name="Answered">
            <Moment ms={it.answered_at_ms ?? null} />
          </Row>
          <Row name="Failed">
            <Moment ms={it.last_error?.at_ms ?? null} />
          </Row>
          <Row name="Calls">
            <a
              className="text-accent hover:underline"
              href={href({ page: "calls", filter: callCondition("provider", it.id) })}
            >
              Show its calls
            </a>
          </Row>
        </dl>
        <Trial provider={it} />
        <Prices provider={it} />
      </section>
    </section>
  );
}

function Moment({ ms }: { ms: number | null }) {
  if (ms === null) return <span className="text-faint">{UNKNOWN} not since the gateway started</span>;
  return <time title={fullTime(ms)}>{ago(ms, Date.now())}</time>;
}

function More({ text }: { text: string }) {
  return (
    <span className="block text-xs break-words text-faint">
      <Prose text={capital(text)} />
    </span>
  );
}

function Row(props: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-faint">{props.name}</dt>
      <dd className="min-w-0 break-words">{props.children}</dd>
    </>
  );
}
