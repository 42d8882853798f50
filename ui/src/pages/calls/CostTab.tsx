import { Archive, CircleHelp, Coins } from "lucide-react";
import type { CallDetail, CallView, CostLineView } from "@/api/schema";
import { whyUnknown } from "@/components/Money";
import { EmptyState } from "@/components/states";
import { count } from "@/lib/format";
import { isByThePiece, kindName } from "@/lib/kinds";
import { dollarsPerMillion, exactDollars } from "@/lib/money";
import { savedByCache, wentWrong } from "./columns";

/** The bill, line by line, with exact amounts. */
export function CostTab({ detail }: { detail: CallDetail }) {
  const { call, cost_lines: lines, price } = detail;
  if (call.cost_unknown != null) {
    return (
      <EmptyState icon={CircleHelp} title="The cost is unknown">
        <p>
          {whyUnknown(call.cost_unknown)} It counts in no sum, and every sum says how many such calls it
          leaves out.
        </p>
        {call.usage_counted && (
          <p>
            Counted here as far as it could be: {count(call.usage.input)} tokens in,{" "}
            {count(call.usage.output)} out.
          </p>
        )}
      </EmptyState>
    );
  }
  if (call.cost_pico_usd == null) return <NoBill call={call} />;
  if (call.from_cache) {
    return (
      <EmptyState icon={Archive} title="It cost nothing">
        <p>{savedByCache(call)}</p>
      </EmptyState>
    );
  }
  return (
    <div className="flex flex-col gap-4 p-4">
      {call.simulated && (
        <p className="rounded-md border border-warn-line bg-warn-fill px-3 py-1.5 text-sm text-warn">
          The simulator answered: nobody is billed. This is what the call would cost at the provider named.
        </p>
      )}
      {call.usage_counted && (
        <p className="rounded-md border border-warn-line bg-warn-fill px-3 py-1.5 text-sm text-warn">
          An estimate: the provider told no tokens, so they were counted here with the model's own tokenizer,
          as far as the answer came. What was read from a cache is not known, and counts as read afresh.
        </p>
      )}
      <table className="w-full text-sm">
        <thead className="text-left text-xs text-faint">
          <tr>
            <th className="pb-1 font-medium">What</th>
            <th className="pb-1 text-right font-medium">Count</th>
            <th className="pb-1 text-right font-medium">Rate</th>
            <th className="pb-1 text-right font-medium">Amount</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <Line key={line.kind} line={line} />
          ))}
        </tbody>
        <tfoot>
          <tr className="border-t border-line-strong font-semibold">
            <td className="py-2">{call.usage_counted ? "Total, estimated" : "Total"}</td>
            <td />
            <td />
            <td className="text-right font-mono">{exactDollars(call.cost_pico_usd)}</td>
          </tr>
        </tfoot>
      </table>
      {price && (
        <p className="text-sm text-muted">
          Priced as <span className="font-mono text-text">{price.model}</span> by{" "}
          <span className="break-all text-text">{price.source}</span>, looked up on{" "}
          <time className="text-text">{price.checked_on}</time>.{" "}
          <span className="font-mono text-xs text-faint">{price.id}</span>
        </p>
      )}
    </div>
  );
}

function NoBill({ call }: { call: CallView }) {
  if (call.state === "live") {
    return (
      <EmptyState icon={Coins} title="Not settled yet">
        <p>The bill is made when the answer is complete.</p>
      </EmptyState>
    );
  }
  const failed = wentWrong(call);
  return (
    <EmptyState icon={Coins} title={failed ? "No cost" : "Free of charge"}>
      <p>
        {failed ? "The call failed: there is nothing to price." : "Providers do not bill this operation."}
      </p>
    </EmptyState>
  );
}

function Line({ line }: { line: CostLineView }) {
  const piece = isByThePiece(line.kind);
  return (
    <tr className="border-t">
      <td className="py-1.5">{kindName(line.kind)}</td>
      <td className="text-right font-mono">{count(line.count)}</td>
      <td className="text-right font-mono text-muted" title={`${exactDollars(line.rate_pico_usd)} each`}>
        {piece ? `${exactDollars(line.rate_pico_usd)} each` : `${dollarsPerMillion(line.rate_pico_usd)} / 1M`}
      </td>
      <td className="text-right font-mono">{exactDollars(line.amount_pico_usd)}</td>
    </tr>
  );
}
