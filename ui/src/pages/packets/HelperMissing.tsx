import { useQuery } from "@tanstack/react-query";
import { ShieldOff } from "lucide-react";
import type { HelperView } from "@/api/schema";
import { useApp } from "@/app/context";
import { capital, Prose } from "@/components/Prose";
import { EmptyState } from "@/components/states";

/** The name of the doctor's check that tells how to get the helper. */
const CHECK = "helper";

/** There are no packets because there is no helper: why, and how to get it. */
export function HelperMissing({ helper }: { helper: HelperView }) {
  const { api } = useApp();
  const checks = useQuery({ queryKey: ["doctor"], queryFn: () => api.doctor() });
  const remedy = checks.data?.find((it) => it.name === CHECK)?.remedy;
  const title =
    helper.state === "failed" ? "The capture helper has failed" : "The capture helper is not running";
  return (
    <EmptyState icon={ShieldOff} title={title}>
      {helper.reason != null && (
        <p className="break-words">
          <Prose text={capital(helper.reason)} />
        </p>
      )}
      {remedy != null && (
        <p className="break-words text-text">
          <Prose text={capital(remedy)} />
        </p>
      )}
      <p className="text-sm text-faint">
        Packets are read by a small helper that runs as root. Calls, costs and programs work without it. The
        checks under{" "}
        <a className="text-accent underline" href="#/doctor">
          Doctor
        </a>{" "}
        tell more.
      </p>
    </EmptyState>
  );
}
