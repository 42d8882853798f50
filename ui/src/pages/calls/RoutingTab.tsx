import { useId } from "react";
import type { AttemptView, CacheTraceView, LossView, RoutingView, RuleTraceView } from "@/api/schema";
import { Badge } from "@/components/Badge";
import { capital, Prose } from "@/components/Prose";
import { cn } from "@/lib/cn";
import { duration, UNKNOWN } from "@/lib/format";
import { href } from "@/lib/route";
import { RuleChange } from "../routing/RuleChange";
import { STRATEGIES } from "../routing/state";

/** What the rules did, who was asked, what came of it, and what could not be carried over. */
export function RoutingTab({ routing }: { routing: RoutingView }) {
  const { attempts, request_losses, answer_losses } = routing;
  const translated = attempts.some((it) => it.translated_to != null);
  return (
    <div className="flex flex-col gap-5 p-4">
      <Rules rules={routing.rules} />
      {routing.model != null && (
        <p className="flex flex-wrap items-baseline gap-x-2 gap-y-1 text-sm">
          <a
            className="font-mono font-medium wrap-anywhere hover:text-accent hover:underline"
            title="Your models"
            href={href({ page: "routing" })}
          >
            {routing.model}
          </a>
          {routing.strategy != null && (
            <>
              <Badge>{routing.strategy}</Badge>
              <span className="text-xs text-faint">{STRATEGIES[routing.strategy]}</span>
            </>
          )}
        </p>
      )}
      {routing.cache != null && <CacheTrace cache={routing.cache} />}
      {attempts.length > 0 && <Attempts attempts={attempts} />}
      <Losses title="Lost or changed in the request" losses={request_losses} />
      <Losses title="Lost or changed in the answer" losses={answer_losses} />
      {translated && request_losses.length + answer_losses.length === 0 && (
        <p className="text-sm text-muted">Nothing was lost in translation.</p>
      )}
    </div>
  );
}

/** What the cache of answers did. */
function CacheTrace({ cache: { result, of, age_ms, why } }: { cache: CacheTraceView }) {
  const reason = why == null ? null : <Prose text={`: ${why}`} />;
  if (result === "hit" && of != null)
    return (
      <p className="text-sm">
        The cache answered, as{" "}
        <a
          className="text-accent hover:underline"
          title="The call that the answer was made for"
          href={href({ page: "calls", item: of })}
        >
          an equal call
        </a>{" "}
        was answered {duration((age_ms ?? 0) * 1_000)} before.
      </p>
    );
  return (
    <p className="text-sm text-muted">
      {result === "kept" && "The answer is in the cache for equal calls."}
      {result === "not-kept" && <>The answer was not cached{reason}.</>}
      {result === "bypassed" && <>The call went past the cache{reason}.</>}
    </p>
  );
}

function Rules({ rules }: { rules: RuleTraceView[] }) {
  const id = useId();
  if (rules.length === 0) return null;
  return (
    <section aria-labelledby={id} className="flex flex-col gap-1.5">
      <h3 id={id} className="text-sm font-medium">
        Rules <span className="font-normal text-faint">{rules.length}</span>
      </h3>
      <ul className="overflow-hidden rounded-md border text-sm">
        {rules.map((it) => (
          <li key={it.rule} className="border-b px-3 py-1.5 last:border-b-0">
            <p className="flex flex-wrap items-baseline gap-x-2">
              <span className="font-medium break-words">{it.rule}</span>
              <RuleEnd end={it.end} />
              {it.why != null && (
                <span className="text-muted">
                  <Prose text={it.why} />
                </span>
              )}
            </p>
            {it.changes.length > 0 && (
              <ul className="text-muted">
                {it.changes.map((change) => (
                  <RuleChange key={`${change.action} ${change.on}`} change={change} />
                ))}
              </ul>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function RuleEnd({ end }: { end: string }) {
  if (end === "denied") return <Badge tone="bad">denied the call</Badge>;
  if (end === "failed") return <Badge tone="warn">could not be evaluated</Badge>;
  return <Badge>applied</Badge>;
}

function Attempts({ attempts }: { attempts: AttemptView[] }) {
  return (
    <table className="w-full text-sm">
      <caption className="sr-only">Attempts</caption>
      <thead className="text-left text-xs text-faint">
        <tr>
          <th scope="col" className="w-5 pb-1 font-medium">
            <span className="sr-only">Place</span>
          </th>
          <th scope="col" className="pb-1 font-medium">
            Target
          </th>
          <th scope="col" className="pb-1 pl-3 text-right font-medium">
            Waited
          </th>
          <th scope="col" className="pb-1 pl-3 text-right font-medium">
            Took
          </th>
          <th scope="col" className="pb-1 pl-3 text-right font-medium">
            Result
          </th>
        </tr>
      </thead>
      <tbody>
        {attempts.map((it, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same target is tried again; its place is its name.
          <Attempt key={at} it={it} place={at + 1} />
        ))}
      </tbody>
    </table>
  );
}

function Attempt({ it, place }: { it: AttemptView; place: number }) {
  const time = "pl-3 text-right align-top font-mono whitespace-nowrap";
  return (
    <tr className={cn("border-t", it.skipped && "text-faint")}>
      <td className="py-1.5 align-top font-mono text-faint">{place}</td>
      <td className="py-1.5 align-top">
        <span className={it.skipped ? undefined : "font-medium"}>{it.provider}</span>{" "}
        <span className={cn("font-mono wrap-anywhere", !it.skipped && "text-muted")}>{it.model}</span>
        {it.translated_to != null && (
          <span className="block text-xs text-faint">
            translated to <span className="font-mono">{it.translated_to}</span>
          </span>
        )}
        {it.why != null && (
          <span className={cn("block break-words", it.skipped ? "text-xs" : "text-muted")}>
            <Prose text={capital(it.why)} />
          </span>
        )}
      </td>
      <td className={cn(time, "py-1.5 text-muted")}>
        {it.skipped || it.waited_us === 0 ? <Nothing /> : duration(it.waited_us)}
      </td>
      <td className={cn(time, "py-1.5")} title={it.skipped ? undefined : `Began at ${duration(it.began_us)}`}>
        {it.skipped ? <Nothing /> : duration(it.took_us)}
      </td>
      <td className="py-1.5 pl-3 text-right align-top">
        <Result it={it} />
      </td>
    </tr>
  );
}

function Nothing() {
  return <span className="text-faint">{UNKNOWN}</span>;
}

function Result({ it }: { it: AttemptView }) {
  if (it.skipped) return <Badge>passed over</Badge>;
  if (it.status != null) return <Badge tone={it.status >= 400 ? "bad" : "ok"}>{it.status}</Badge>;
  return <Badge tone="bad">{it.error_code ?? "no answer"}</Badge>;
}

function Losses({ title, losses }: { title: string; losses: LossView[] }) {
  const id = useId();
  if (losses.length === 0) return null;
  return (
    <section aria-labelledby={id} className="flex flex-col gap-1.5">
      <h3 id={id} className="text-sm font-medium">
        {title} <span className="font-normal text-faint">{losses.length}</span>
      </h3>
      <ul className="overflow-hidden rounded-md border text-sm">
        {losses.map((it) => (
          <li key={it.field} className="border-b px-3 py-1.5 break-words text-muted last:border-b-0">
            {it.field !== "" && <code className="wrap-anywhere text-text">{it.field}</code>}{" "}
            <Prose text={it.field === "" ? capital(it.why) : it.why} />
          </li>
        ))}
      </ul>
    </section>
  );
}
