import { useQuery } from "@tanstack/react-query";
import { Network } from "lucide-react";
import { useMemo, useState } from "react";
import type { CallView, FlowView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Split } from "@/components/Split";
import { EmptyState, ErrorState, Skeleton } from "@/components/states";
import { VirtualTable } from "@/components/VirtualTable";
import { bytes, count, duration } from "@/lib/format";
import { PACKET_ROW_HEIGHT, packetColumns, packetTone } from "../packets/columns";
import { HelperMissing } from "../packets/HelperMissing";
import { PacketDetailPanel } from "../packets/PacketDetailPanel";
import { SaveCapture } from "../packets/SaveCapture";

/** The packets that carried one call. */
export function PacketsTab({ call, flows }: { call: CallView; flows: FlowView[] }) {
  const { api, hub } = useApp();
  const [open, setOpen] = useState<number | null>(null);
  const page = useQuery({ queryKey: ["call", call.id, "packets"], queryFn: () => api.callPackets(call.id) });
  const firstAtUs = page.data?.packets[0]?.at_us;
  const columns = useMemo(() => packetColumns(firstAtUs), [firstAtUs]);
  if (page.isPending) return <Skeleton />;
  if (page.error) {
    return (
      <ErrorState
        title="The packets could not be read"
        error={page.error}
        onRetry={() => void page.refetch()}
      />
    );
  }
  const { packets, capture } = page.data;
  if (packets.length === 0) {
    if (hub.status && hub.status.helper.state !== "connected")
      return <HelperMissing helper={hub.status.helper} />;
    return (
      <EmptyState icon={Network} title="No packet of this call is kept">
        <p>The capture was paused, did not run yet, or newer packets have taken their place.</p>
      </EmptyState>
    );
  }
  const list = (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-4 py-1.5 text-sm text-muted">
        <span className="whitespace-nowrap">{count(packets.length)} packets</span>
        <Flows flows={flows} />
        <SaveCapture of={{ call: call.id }} name={`call-${call.id.slice(0, 8)}.pcapng`} />
      </div>
      <VirtualTable
        label="Packets of the call"
        columns={columns}
        count={packets.length}
        rowAt={(at) => packets[at]}
        keyOf={(packet) => String(packet.seq)}
        rowHeight={PACKET_ROW_HEIGHT}
        rowClass={packetTone}
        selected={
          open === null ? null : { key: String(open), index: packets.findIndex((it) => it.seq === open) }
        }
        onSelect={(packet) => setOpen(packet?.seq ?? null)}
      />
    </div>
  );
  return (
    <div className="min-h-0 flex-1">
      <Split
        id="call-packets"
        stacked
        list={list}
        onClose={() => setOpen(null)}
        detail={
          open === null ? null : (
            <PacketDetailPanel key={open} capture={capture} seq={open} onClose={() => setOpen(null)} />
          )
        }
      />
    </div>
  );
}

function Flows({ flows }: { flows: FlowView[] }) {
  return (
    <span className="ml-auto flex flex-wrap justify-end gap-x-4 font-mono text-xs text-faint">
      {flows.map((flow) => (
        <span key={flow.id} title={`${flow.local} → ${flow.remote}`}>
          {flow.leg} ↑{bytes(flow.bytes_out)} ↓{bytes(flow.bytes_in)} rtt {duration(flow.srtt_us)}
          {(flow.retransmits ?? 0) > 0 && <span className="text-warn"> {flow.retransmits} resent</span>}
        </span>
      ))}
    </span>
  );
}
