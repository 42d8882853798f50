import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { PriceRowView, ProviderView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Prose } from "@/components/Prose";
import { count } from "@/lib/format";
import { inOrder, isByThePiece, kindName, shortKindName } from "@/lib/kinds";
import { dollarsPerMillion, exactDollars } from "@/lib/money";
import { hoursOf, isPast, validityOf } from "./prices";

/** More are found by their name. */
const ROWS_MAX = 30;
/** What the admin API calls the source of prices that the user wrote. */
const OWN_SOURCE = "your configuration";

/** What the models of a provider cost, from where and since when that is known. */
export function Prices({ provider }: { provider: ProviderView }) {
  const { api } = useApp();
  const [text, setText] = useState("");
  const id = useId();
  const prices = useQuery({
    queryKey: ["prices", provider.id, text.trim()],
    queryFn: () => api.prices({ provider: provider.id, text: text.trim() || undefined, limit: ROWS_MAX }),
    placeholderData: keepPreviousData,
  });
  const rows = prices.data?.rows ?? [];
  const none = prices.data !== undefined && rows.length === 0;
  return (
    <section aria-labelledby={id} className="flex flex-col gap-3 border-t p-4">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <h3 id={id} className="font-semibold">
          Prices <span className="text-sm font-normal text-muted">for a million tokens</span>
        </h3>
        {(text !== "" || !none) && (
          <input
            type="search"
            spellCheck={false}
            autoComplete="off"
            aria-label="Find a price"
            placeholder="part of a model’s name"
            value={text}
            onChange={(event) => setText(event.target.value)}
            className="h-7 w-56 min-w-0 rounded-md border border-line-strong bg-raised px-2 font-mono text-sm placeholder:font-sans placeholder:text-faint"
          />
        )}
        {prices.data && rows.length > 0 && (
          <span className="ml-auto text-xs whitespace-nowrap text-faint">
            {rows.length < prices.data.total
              ? `${count(rows.length)} of ${count(prices.data.total)}`
              : count(prices.data.total)}
          </span>
        )}
      </header>
      {prices.error && (
        <p role="alert" className="text-sm text-bad">
          The prices could not be read: <Prose text={prices.error.message} />
        </p>
      )}
      {none && <NoPrices provider={provider} searched={text.trim()} />}
      {rows.length > 0 && (
        <ul className="overflow-hidden rounded-lg border text-sm">
          {rows.map((it) => (
            <Row key={it.id} it={it} />
          ))}
        </ul>
      )}
    </section>
  );
}

function NoPrices({ provider, searched }: { provider: ProviderView; searched: string }) {
  if (provider.local) {
    return <p className="text-sm text-muted">Models of a server on this machine are free.</p>;
  }
  return (
    <p className="text-sm text-muted">
      <span className="text-warn">No price is known</span>
      {searched === "" ? "" : " for such a model"}: the cost of its calls is unknown, and counts in no sum.{" "}
      <code className="text-text">tollgate prices set {provider.id} MODEL --input …</code> writes one of your
      own.
    </p>
  );
}

function Row({ it }: { it: PriceRowView }) {
  const past = isPast(it, Date.now());
  const hours = hoursOf(it);
  const own = it.source === OWN_SOURCE;
  return (
    <li
      className={
        past ? "border-b px-3 py-2 text-faint last:border-b-0" : "border-b px-3 py-2 last:border-b-0"
      }
    >
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span className="font-mono font-medium wrap-anywhere">
          {it.model === "*" ? "every other model" : it.model}
        </span>
        {own && <Badge tone="accent">your own</Badge>}
        {past && <Badge>past</Badge>}
        {hours !== null && <Badge title="In UTC">{hours}</Badge>}
      </p>
      <Rates rates={it.rates} />
      <Tiers tiers={it.tiers} />
      {it.services.map(({ service, rates, tiers }) => (
        <div key={service} className="mt-1">
          <Rates name={service} rates={rates} />
          <Tiers name={service} tiers={tiers} />
        </div>
      ))}
      <p className="mt-1 text-xs break-words text-faint">
        {it.source}
        {!own && `, ${it.checked_on}`}
        {validityOf(it) !== null && ` · ${validityOf(it)}`}
      </p>
    </li>
  );
}

function Tiers({ tiers, name }: { tiers: PriceRowView["tiers"]; name?: string }) {
  return tiers.map(({ above_prompt_tokens: above, rates }) => (
    <Rates
      key={above}
      name={`${name === undefined ? "" : `${name}, `}above ${count(above)} prompt tokens`}
      rates={rates}
    />
  ));
}

/** Rates side by side, with what they are for where that is not every call. */
function Rates({ rates, name }: { rates: PriceRowView["rates"]; name?: string }) {
  return (
    <div>
      {name !== undefined && <p className="text-xs text-faint">{name}</p>}
      <dl className="flex flex-wrap gap-x-4">
        {inOrder(rates).map(([kind, rate]) => (
          <div key={kind} className="flex items-baseline gap-1.5">
            <dt className="text-xs text-muted" title={kindName(kind)}>
              {shortKindName(kind)}
            </dt>
            <dd
              className="font-mono"
              title={isByThePiece(kind) ? "for each" : `for a million tokens; ${exactDollars(rate)} for one`}
            >
              {isByThePiece(kind) ? `${exactDollars(rate)} each` : dollarsPerMillion(rate)}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
