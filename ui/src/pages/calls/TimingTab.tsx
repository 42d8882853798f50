import type { CallDetail } from "@/api/schema";
import { count, duration } from "@/lib/format";
import { type Phase, phases } from "./phases";

const TICKS = 4;

/** Where the time went. */
export function TimingTab({ detail }: { detail: CallDetail }) {
  const { timing, call } = detail;
  const total = call.state === "live" ? call.duration_us : timing.finished_us;
  const parts = phases({ ...timing, finished_us: total });
  return (
    <div className="flex flex-col gap-5 p-4">
      <figure>
        <div
          role="img"
          aria-label={describe(parts)}
          className="flex h-7 w-full overflow-hidden rounded-md bg-hover"
        >
          {parts.map((part) => (
            <div
              key={part.id}
              title={`${part.name}: ${duration(part.tookUs)}`}
              className="h-full min-w-[2px] border-r border-bg last:border-0"
              style={{ flexGrow: part.tookUs, flexBasis: 0, background: part.colour }}
            />
          ))}
        </div>
        <div aria-hidden className="mt-1 flex justify-between font-mono text-xs text-faint">
          {Array.from({ length: TICKS + 1 }, (_, at) => (at * total) / TICKS).map((us) => (
            <span key={us}>{duration(us)}</span>
          ))}
        </div>
      </figure>
      <table className="w-full text-sm">
        <thead className="text-left text-xs text-faint">
          <tr>
            <th className="pb-1 font-medium">Phase</th>
            <th className="pb-1 pl-3 text-right font-medium">From</th>
            <th className="pb-1 pl-3 text-right font-medium">Took</th>
            <th className="pb-1 pl-3 text-right font-medium">Share</th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part) => (
            <tr key={part.id} className="border-t">
              <td className="py-1.5">
                <span className="mr-2 inline-block size-2.5 rounded-sm" style={{ background: part.colour }} />
                {part.name}
                {part.note !== "" && <span className="block pl-[18px] text-xs text-faint">{part.note}</span>}
              </td>
              <td className="pl-3 text-right font-mono whitespace-nowrap text-muted">
                {duration(part.fromUs)}
              </td>
              <td className="pl-3 text-right font-mono whitespace-nowrap">{duration(part.tookUs)}</td>
              <td className="pl-3 text-right font-mono whitespace-nowrap text-muted">
                {total > 0 ? `${((part.tookUs / total) * 100).toFixed(1)} %` : "–"}
              </td>
            </tr>
          ))}
          <tr className="border-t border-line-strong font-medium">
            <td className="py-1.5">{call.state === "live" ? "So far" : "In all"}</td>
            <td />
            <td className="pl-3 text-right font-mono whitespace-nowrap">{duration(total)}</td>
            <td />
          </tr>
        </tbody>
      </table>
      <Speed detail={detail} />
    </div>
  );
}

function Speed({ detail: { timing, call } }: { detail: CallDetail }) {
  const output = call.usage.output;
  const from = timing.first_token_us;
  if (output == null || from == null || output < 2 || timing.finished_us <= from) return null;
  const perSecond = output / ((timing.finished_us - from) / 1e6);
  return (
    <p className="text-sm text-muted">
      <span className="font-mono text-text">{perSecond.toFixed(1)}</span> tokens per second after the first,
      of <span className="font-mono text-text">{count(output)}</span> generated.
    </p>
  );
}

function describe(parts: Phase[]): string {
  return parts.map((part) => `${part.name} ${duration(part.tookUs)}`).join(", ");
}
