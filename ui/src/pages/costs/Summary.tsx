import { Fragment } from "react";
import type { CostRowView, CostsView, UnknownCostView, UsageView } from "@/api/schema";
import { Estimated, isUnknownSum, Money, whyUnknown } from "@/components/Money";
import { callCondition } from "@/lib/callFilter";
import { compactCount, count, dayOf, plural } from "@/lib/format";
import { exactDollars, signedDollars } from "@/lib/money";
import { href } from "@/lib/route";
import { change, pastOf, percent, spanName } from "./compare";

const WHY: Record<string, string> = {
  "no-price": "no price is known",
  "no-usage": "no usage was told",
  "kind-not-priced": "a kind of token has no price",
  "fee-not-told": "a fee was not told",
  "tier-not-priced": "the tier has no price",
  "out-of-range": "the amount is out of range",
};

/** The sum of all, how it stands beside the time before, and what it leaves out. */
export function Summary({ costs }: { costs: CostsView }) {
  const { total } = costs;
  const nothing = isUnknownSum(total.cost_pico_usd, total.unknown_cost);
  return (
    <div className="flex shrink-0 flex-wrap items-start gap-x-5 gap-y-3 wide:gap-x-8 px-4 pt-3 pb-3">
      <div>
        <div className="text-xs text-faint">
          {costs.simulated ? "Would have cost (simulated calls included)" : "Spent"}
        </div>
        <div className="text-xl font-semibold">
          {nothing ? <span className="text-warn">unknown</span> : <Money pico={total.cost_pico_usd} />}
        </div>
        {!nothing && <div className="font-mono text-xs text-faint">{exactDollars(total.cost_pico_usd)}</div>}
        {!nothing && <Estimated of={total.cost_pico_usd} part={total.estimated_pico_usd} />}
      </div>
      {!nothing && <Compared costs={costs} />}
      <Figure name="Calls" text={count(total.calls)} />
      <Figure name="Failed" text={count(total.failed)} bad={total.failed > 0} />
      <Figure name="Tokens in" text={compactCount(total.usage.input)} title={count(total.usage.input)} />
      <Figure
        name="Cached by providers"
        text={compactCount(total.usage.cache_read)}
        title={count(total.usage.cache_read)}
      />
      {total.cached_calls > 0 && (
        <Figure
          name="Answered by the cache"
          text={count(total.cached_calls)}
          title="Calls that the cache of answers answered: they cost nothing."
        />
      )}
      <Saved total={total} />
      <Pieces usage={total.usage} />
      <Figure name="Tokens out" text={compactCount(total.usage.output)} title={count(total.usage.output)} />
      <Counted calls={total.counted_usage} />
      <Unknowns costs={costs} />
    </div>
  );
}

/** Beside the time before, as far as that can honestly be said. */
function Compared({ costs }: { costs: CostsView }) {
  const { previous, total } = costs;
  const past = pastOf(costs);
  const name = spanName(previous.since_ms, previous.until_ms);
  if (past === "not")
    return (
      <div className="max-w-52 wide:max-w-60">
        <div className="text-xs text-faint">Compared with {name}</div>
        <div className="text-sm text-muted">
          No calls are known of then
          {costs.first_call_ms != null && `: the first is of ${dayOf(costs.first_call_ms)}`}.
        </div>
      </div>
    );
  const { pico, permille, but } = change(total, previous.total, past);
  return (
    <div className="max-w-80">
      <div className="text-xs text-faint">Compared with {name}</div>
      <div className="font-mono text-base" title={`Then ${exactDollars(previous.total.cost_pico_usd)}`}>
        {signedDollars(pico)}
        {permille !== null && <span className="ml-2 text-sm text-muted">{percent(permille)}</span>}
      </div>
      {but !== null && <div className="text-xs text-warn">{but}</div>}
    </div>
  );
}

/** What those calls would have cost that the cache of answers answered. */
function Saved({ total }: { total: CostRowView }) {
  if (total.cached_calls === 0) return null;
  const unknown = total.unknown_saved;
  return (
    <div
      title={
        unknown > 0
          ? `What ${plural(unknown, "call")} would have cost is unknown, and not in this sum.`
          : undefined
      }
    >
      <div className="text-xs text-faint">Saved by it</div>
      <div className="font-mono text-base">
        {isUnknownSum(total.saved_pico_usd, unknown) ? (
          <span className="text-warn">unknown</span>
        ) : (
          <Money pico={total.saved_pico_usd} />
        )}
        {unknown > 0 && !isUnknownSum(total.saved_pico_usd, unknown) && (
          <span className="ml-1 text-xs text-warn">+ {count(unknown)} unknown</span>
        )}
      </div>
    </div>
  );
}

/** Kinds that few calls have, where any has. */
function Pieces({ usage }: { usage: UsageView }) {
  const kinds = [
    ["Pictures in", usage.input_image],
    ["Pictures out", usage.output_image],
    ["Audio in", usage.input_audio],
    ["Audio out", usage.output_audio],
    ["Web searches", usage.web_searches],
    ["File searches", usage.file_searches],
  ] as const;
  return kinds
    .filter(([, value]) => (value ?? 0) > 0)
    .map(([name, value]) => (
      <Figure key={name} name={name} text={compactCount(value)} title={count(value)} />
    ));
}

/** How many calls' tokens the gateway counted itself. */
function Counted({ calls }: { calls: number }) {
  if (calls === 0) return null;
  return (
    <p className="w-full text-sm text-muted">
      The tokens of {plural(calls, "call")} were counted here, because the provider told none: an estimate.
    </p>
  );
}

/** What the sums leave out, and why. */
function Unknowns({ costs: { total, unknown } }: { costs: CostsView }) {
  if (total.unknown_cost + total.unknown_usage === 0) return null;
  return (
    <div className="w-full text-sm text-warn">
      {total.unknown_cost > 0 && (
        <p>
          The cost of {plural(total.unknown_cost, "call")} is unknown and not in this sum
          <Reasons of={unknown} />.
        </p>
      )}
      {total.unknown_usage > 0 && <p>Nobody counted the tokens of {plural(total.unknown_usage, "call")}.</p>}
    </div>
  );
}

/** Why costs are unknown, each with its calls. */
function Reasons({ of }: { of: UnknownCostView[] }) {
  return of.map(({ reason, calls }, at) => (
    <Fragment key={reason}>
      {at === 0 ? ": " : ", "}
      <a
        className="underline hover:text-text"
        title={`${whyUnknown(reason)} Lists these calls.`}
        href={href({ page: "calls", filter: callCondition("unknown", reason) })}
      >
        {WHY[reason] ?? reason} ({count(calls)})
      </a>
    </Fragment>
  ));
}

function Figure(props: { name: string; text: string; title?: string; bad?: boolean }) {
  return (
    <div title={props.title}>
      <div className="text-xs text-faint">{props.name}</div>
      <div className={`font-mono text-base ${props.bad ? "text-bad" : ""}`}>{props.text}</div>
    </div>
  );
}
