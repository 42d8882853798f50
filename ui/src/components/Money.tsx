import { columnDollars, exactDollars, shortDollars } from "@/lib/money";

const WHY: Record<string, string> = {
  "no-price": "No price is known for this model.",
  "no-usage": "The provider did not say how many tokens it used.",
  "kind-not-priced": "A kind of token was used that the price list does not price.",
};

/** An amount, rounded for the eye (to `decimals` in a column); the exact one is in its tooltip. */
export function Money(props: { pico: string; decimals?: number }) {
  const text =
    props.decimals === undefined ? shortDollars(props.pico) : columnDollars(props.pico, props.decimals);
  return (
    <span className="font-mono" title={`Exactly ${exactDollars(props.pico)}`}>
      {text}
    </span>
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
