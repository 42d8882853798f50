import { useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, Stethoscope, TriangleAlert } from "lucide-react";
import type { CheckView, HelperView } from "@/api/schema";
import { useApp, useStatus } from "@/app/context";
import { Badge } from "@/components/Badge";
import { Button } from "@/components/Button";
import { capital, Prose } from "@/components/Prose";
import { EmptyState, ErrorState, Skeleton } from "@/components/states";
import { plural } from "@/lib/format";

const LEVELS: Record<string, { icon: typeof CircleCheck; tone: string; name: string }> = {
  ok: { icon: CircleCheck, tone: "text-ok", name: "in order" },
  warning: { icon: TriangleAlert, tone: "text-warn", name: "warning" },
  error: { icon: CircleAlert, tone: "text-bad", name: "error" },
};

/** What works, what does not, and what to do about it. */
export function DoctorPage() {
  const { api } = useApp();
  const status = useStatus();
  const checks = useQuery({ queryKey: ["doctor"], queryFn: () => api.doctor() });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label="Doctor" tabIndex={0} className="h-full overflow-y-auto">
      <div className="mx-auto flex max-w-3xl flex-col gap-5 p-6">
        <header className="flex items-center gap-3">
          <div>
            <h2 className="text-lg font-semibold">Checks</h2>
            <p className="text-sm text-muted">
              {checks.data ? summary(checks.data) : "What works, and what does not."}
            </p>
          </div>
          <Button className="ml-auto" disabled={checks.isFetching} onClick={() => void checks.refetch()}>
            Check again
          </Button>
        </header>
        {checks.isPending && <Skeleton label="Checking" />}
        {checks.error && (
          <ErrorState
            title="The checks could not be made"
            error={checks.error}
            onRetry={() => void checks.refetch()}
          />
        )}
        {checks.data?.length === 0 && <EmptyState icon={Stethoscope} title="There is nothing to check" />}
        {checks.data && checks.data.length > 0 && (
          <ul className="overflow-hidden rounded-lg border">
            {checks.data.map((check) => (
              <Check key={check.name} check={check} />
            ))}
          </ul>
        )}
        {status && <Helper helper={status.helper} />}
      </div>
    </section>
  );
}

function summary(checks: CheckView[]): string {
  const errors = checks.filter((it) => it.level === "error").length;
  const warnings = checks.filter((it) => it.level === "warning").length;
  if (errors + warnings === 0) return "Everything is in order.";
  return [errors > 0 && plural(errors, "error"), warnings > 0 && plural(warnings, "warning")]
    .filter(Boolean)
    .join(", ");
}

function Check({ check }: { check: CheckView }) {
  const level = LEVELS[check.level] ?? { icon: TriangleAlert, tone: "text-muted", name: check.level };
  const Icon = level.icon;
  return (
    <li className="flex gap-3 border-b px-4 py-2.5 last:border-b-0">
      <Icon aria-hidden className={`mt-0.5 size-4 shrink-0 ${level.tone}`} />
      <div className="min-w-0">
        <h3 className="font-medium">
          {capital(check.name)} <span className="sr-only">({level.name})</span>
        </h3>
        <p className="break-words text-muted">
          <Prose text={capital(check.found)} />
        </p>
        {check.remedy != null && (
          <p className="mt-1 break-words">
            <Prose text={capital(check.remedy)} />
          </p>
        )}
      </div>
    </li>
  );
}

function Helper({ helper }: { helper: HelperView }) {
  const tone = { connected: "ok", absent: "plain", failed: "bad" } as const;
  return (
    <section className="flex flex-col gap-2">
      <h2 className="flex items-center gap-2 text-lg font-semibold">
        Capture helper <Badge tone={tone[helper.state]}>{helper.state}</Badge>
      </h2>
      {helper.reason != null && (
        <p className="break-words text-muted">
          <Prose text={capital(helper.reason)} />
        </p>
      )}
      <dl className="grid grid-cols-[8rem_1fr] gap-y-1 text-sm">
        <dt className="text-faint">Version</dt>
        <dd className="font-mono">{helper.version ?? "–"}</dd>
        <dt className="text-faint">eBPF object</dt>
        <dd className="font-mono break-all">{helper.object_sha256 ?? "–"}</dd>
      </dl>
      {helper.probes.length > 0 && (
        <ul className="grid grid-cols-2 gap-x-6 rounded-lg border px-4 py-2 text-sm">
          {helper.probes.map((probe) => (
            <li key={probe.name} className="flex items-center gap-2 py-0.5" title={probe.reason ?? undefined}>
              <span aria-hidden className={`size-2 rounded-full ${probe.attached ? "bg-ok" : "bg-bad"}`} />
              <span className="font-mono">{probe.name}</span>
              {!probe.attached && <span className="truncate text-bad">{probe.reason ?? "not attached"}</span>}
              {probe.attached && <span className="sr-only">attached</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
