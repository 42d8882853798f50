import { compactCount, count, plural, UNKNOWN } from "@/lib/format";
import { columnDollars, exactDollars, shortDollars } from "@/lib/money";

/** As wide as a digit. */
const BLANK = "\u2007";

const WHY: Record<string, string> = {
  "no-price": "No price is known for this model.",
  "no-usage": "The provider did not say how many tokens it used, and they could not be counted here.",
  "kind-not-priced": "A kind of token or piece was used that the price list does not price.",
  "out-of-range": "The provider claims more tokens than any amount of money can pay for.",
  "fee-not-told": "The provider ran something with a fee that its answer does not tell the amount of.",
  "tier-not-priced": "The provider served the call at a tier (flex, priority, …) that has no price here.",
};

/**
 * An amount, rounded for the eye (to `decimals` in a column); the exact one is in its tooltip. With `digits`, the most
 * decimals of the column, the points stand below one another.
 */
export function Money(props: { pico: string; decimals?: number; digits?: number }) {
  const rounded =
    props.decimals === undefined ? shortDollars(props.pico) : columnDollars(props.pico, props.decimals);
  const missing = (props.digits ?? 0) - (rounded.split(".")[1]?.length ?? 0);
  const text = rounded + BLANK.repeat(Math.max(missing, 0));
  return (
    <span className="font-mono" title={`Exactly ${exactDollars(props.pico)}`}>
      {text}
    </span>
  );
}

/**
 * A sum of costs of which `estimated` is an estimate, and that leaves out `unknown` calls; without any that is known it
 * is unknown itself.
 */
export function CostSum(props: {
  pico: string;
  estimated: string;
  unknown: number;
  decimals?: number;
  digits?: number;
}) {
  const { unknown, estimated, ...amount } = props;
  const left = `The cost of ${plural(unknown, "call")} is unknown`;
  if (unknown === 0)
    return (
      <>
        <Money {...amount} />
        <Estimated of={amount.pico} part={estimated} />
      </>
    );
  if (isUnknownSum(amount.pico, unknown))
    return (
      <span className="text-warn" title={`${left}.`}>
        unknown
      </span>
    );
  return (
    <>
      <Money {...amount} />
      <Estimated of={amount.pico} part={estimated} />
      <Unknown count={unknown} title={`${left} and not in this sum.`} />
    </>
  );
}

const COUNTED_HERE = "The provider told no tokens: the gateway counted them with the model's own tokenizer.";

/** That a part of an amount is an estimate, or all of it; nothing where none is. */
export function Estimated({ of, part }: { of: string; part: string }) {
  if (BigInt(part) === 0n) return null;
  return (
    <div className="text-xs text-muted" title={`Exactly ${exactDollars(part)}. ${COUNTED_HERE}`}>
      {of === part ? "estimated" : `${shortDollars(part)} estimated`}
    </div>
  );
}

/** That one call's figure is an estimate. */
export function EstimateMark() {
  return (
    <span className="text-muted" title={`An estimate. ${COUNTED_HERE}`}>
      ≈
    </span>
  );
}

/** Whether nothing is known of a sum that leaves out `unknown` calls. */
export function isUnknownSum(pico: string, unknown: number): boolean {
  return unknown > 0 && BigInt(pico) === 0n;
}

/** A sum of tokens that leaves out `unknown` calls. */
export function TokenSum(props: { value: number | null | undefined; unknown: number }) {
  const { value, unknown } = props;
  const left = `Nobody counted the tokens of ${plural(unknown, "call")}`;
  if (value == null && unknown > 0)
    return (
      <span className="text-warn" title={`${left}.`}>
        unknown
      </span>
    );
  if (value == null) return UNKNOWN;
  return (
    <>
      <span title={count(value)}>{compactCount(value)}</span>
      {unknown > 0 && <Unknown count={unknown} title={`${left}, which are not in this sum.`} />}
    </>
  );
}

function Unknown(props: { count: number; title: string }) {
  return (
    <div className="text-xs text-warn" title={props.title}>
      + {count(props.count)} unknown
    </div>
  );
}

/** Why a cost is not known, in a sentence. */
export function whyUnknown(reason: string | null | undefined): string | null {
  return reason == null ? null : (WHY[reason] ?? `The cost is unknown: ${reason}.`);
}

/** That a cost is not known, and why. */
export function UnknownCost(props: { reason: string }) {
  return (
    <span className="text-warn" title={whyUnknown(props.reason) ?? undefined}>
      unknown
    </span>
  );
}
