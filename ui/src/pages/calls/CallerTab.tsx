import { UserSearch, UserX } from "lucide-react";
import type { ReactNode } from "react";
import type { CallDetail } from "@/api/schema";
import { Badge } from "@/components/Badge";
import { EmptyState } from "@/components/states";
import { UNKNOWN } from "@/lib/format";
import { href } from "@/lib/route";

const FOUND: Record<string, string> = {
  helper: "The kernel named the process when it connected, through the helper's eBPF programs.",
  "sock-diag":
    "Found through sock_diag and /proc when the connection arrived: without the helper, a process that ends at once can be missed.",
};

/** Who asked. */
export function CallerTab({ detail: { call, caller } }: { detail: CallDetail }) {
  if (caller == null && call.state === "live") {
    return (
      <EmptyState icon={UserSearch} title="The caller is being looked up">
        <p>It is known when the call is settled, often sooner.</p>
      </EmptyState>
    );
  }
  if (caller == null) {
    return (
      <EmptyState icon={UserX} title="The caller could not be found">
        <p>
          The process had ended, or its socket was handed on, before it could be looked up. With the helper
          the kernel names it.
        </p>
      </EmptyState>
    );
  }
  return (
    <dl className="grid grid-cols-[7.5rem_1fr] gap-x-3 gap-y-2 p-4 text-sm">
      <Row name="Program">
        <span className="font-medium">{caller.program}</span>
      </Row>
      <Row name="Process" mono>
        {caller.pid}
      </Row>
      <Row name="Command line" mono>
        {caller.argv.length > 0 ? caller.argv.map(quoted).join(" ") : UNKNOWN}
      </Row>
      <Row name="Executable" mono>
        {caller.exe ?? UNKNOWN}
      </Row>
      <Row name="Working folder" mono>
        {caller.cwd ?? UNKNOWN}
      </Row>
      <Row name="Project">
        {caller.project ?? <span className="text-faint">no git project</span>}
        {caller.project_root && <span className="ml-2 font-mono text-faint">{caller.project_root}</span>}
      </Row>
      {call.key != null && (
        <Row name="Local key">
          <a className="text-accent hover:underline" href={href({ page: "keys", item: call.key })}>
            {call.key}
          </a>
        </Row>
      )}
      <Row name="User">
        {caller.user ?? UNKNOWN} <span className="font-mono text-faint">({caller.uid})</span>
      </Row>
      <Row name="Started by">
        {caller.ancestors.length === 0 ? (
          UNKNOWN
        ) : (
          <ol className="flex flex-wrap gap-x-1.5 gap-y-1">
            {caller.ancestors.map((it, at) => (
              <li key={it.pid}>
                {at > 0 && <span className="mr-1.5 text-faint">←</span>}
                {it.program} <span className="font-mono text-faint">{it.pid}</span>
              </li>
            ))}
          </ol>
        )}
      </Row>
      <Row name="Control group" mono>
        {caller.cgroup ?? UNKNOWN}
      </Row>
      <Row name="Found by">
        <Badge tone={caller.source === "helper" ? "ok" : "plain"}>{caller.source}</Badge>
        <span className="mt-1 block text-faint">{FOUND[caller.source]}</span>
      </Row>
    </dl>
  );
}

function Row(props: { name: string; mono?: boolean; children: ReactNode }) {
  return (
    <>
      <dt className="text-faint">{props.name}</dt>
      <dd className={`min-w-0 break-words ${props.mono ? "font-mono" : ""}`}>{props.children}</dd>
    </>
  );
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
