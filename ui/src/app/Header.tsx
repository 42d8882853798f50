import { type ReactNode, useState } from "react";
import type { StatusView } from "@/api/schema";
import { isUnknownSum, Money } from "@/components/Money";
import { Toggle } from "@/components/Toggle";
import { cn } from "@/lib/cn";
import { count, plural, UNKNOWN } from "@/lib/format";
import { exactDollars } from "@/lib/money";
import { href } from "@/lib/route";
import { useApp, useStatus } from "./context";
import { TurnOff } from "./TurnOff";
import { useSwitches } from "./useSwitches";

/** What holds for every page: cost, live calls, capture, and the gateway's switch. */
export function Header({ title }: { title: string }) {
  const status = useStatus();
  return (
    <header className="flex h-11 shrink-0 items-center gap-5 border-b px-4">
      <h1 className="text-lg font-semibold">{title}</h1>
      {status && (
        <div className="ml-auto flex items-center gap-5 text-sm whitespace-nowrap">
          <Figure name="Today" href={href({ page: "costs" })} hint={todayHint(status)}>
            <Today status={status} />
          </Figure>
          <Figure
            name="Live"
            href={href({ page: "calls", filter: "state:live" })}
            hint={`${plural(status.live_calls, "call")} under way`}
          >
            <span className={cn("font-mono", status.live_calls > 0 && "text-accent")}>
              {count(status.live_calls)}
            </span>
          </Figure>
          <Capture status={status} />
          <Gateway status={status} />
        </div>
      )}
    </header>
  );
}

function Today({ status }: { status: StatusView }) {
  const { today_cost_pico_usd: cost, today_unknown_cost: unknown } = status;
  const estimated = BigInt(status.today_estimated_pico_usd ?? 0) > 0n;
  if (cost == null || unknown == null) return UNKNOWN;
  if (isUnknownSum(cost, unknown)) return <span className="text-warn">{count(unknown)} unknown</span>;
  return (
    <>
      {estimated && <span className="text-muted">≈ </span>}
      <Money pico={cost} />
      {unknown > 0 && <span className="ml-1 text-warn">+ {count(unknown)} unknown</span>}
    </>
  );
}

function todayHint(status: StatusView): string {
  const { today_calls: calls, today_unknown_cost: unknown } = status;
  const part = BigInt(status.today_estimated_pico_usd ?? 0);
  if (calls == null || unknown == null) return "The ledger cannot be read; Doctor says why";
  const left = unknown > 0 ? `, ${count(unknown)} of unknown cost and not in the sum` : "";
  const estimated = part > 0n ? `, ${exactDollars(part)} of it estimated` : "";
  return `${plural(calls, "call")} since midnight${estimated}${left}`;
}

function Figure(props: { name: string; hint: string; href: string; children: ReactNode }) {
  return (
    <a href={props.href} title={props.hint} className="hover:text-accent">
      <span className="mr-1.5 text-faint">{props.name}</span>
      {props.children}
    </a>
  );
}

function Capture({ status }: { status: StatusView }) {
  const { helper, capture } = status;
  const [tone, text] =
    helper.state === "failed"
      ? ["bg-bad", "failed"]
      : helper.state === "absent"
        ? ["bg-faint", "no helper"]
        : capture.paused
          ? ["bg-warn", "paused"]
          : ["bg-ok", "on"];
  return (
    <a
      href={href({ page: "packets" })}
      title={helper.reason ?? `Packet capture: ${text}`}
      className="flex items-center gap-1.5 hover:text-accent"
    >
      <span className="text-faint">Capture</span>
      <span aria-hidden className={cn("size-2 rounded-full", tone)} />
      {text}
    </a>
  );
}

function Gateway({ status }: { status: StatusView }) {
  const { host } = useApp();
  const { busy, problem, setGateway } = useSwitches();
  const [asking, setAsking] = useState(false);
  // A browser's page comes from the gateway: it cannot turn on again what it turned off.
  const change = (on: boolean) => (on || host.kind === "desktop" ? void setGateway(on) : setAsking(true));
  return (
    <div className="flex items-center gap-2 border-l pl-5">
      {problem !== null && (
        <span role="alert" className="max-w-48 truncate text-bad" title={problem}>
          {problem}
        </span>
      )}
      <span className="hidden font-mono text-muted min-[900px]:inline">
        {status.on ? (status.listen ?? "on") : "off"}
      </span>
      <Toggle label="Gateway" checked={status.on} disabled={busy} onChange={change} />
      <TurnOff open={asking} onClose={() => setAsking(false)} onTurnOff={() => void setGateway(false)} />
    </div>
  );
}
