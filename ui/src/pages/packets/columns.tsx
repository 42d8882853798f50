import type { PacketView } from "@/api/schema";
import type { Column } from "@/components/columns";
import { cn } from "@/lib/cn";
import { timeOfDayUs, UNKNOWN } from "@/lib/format";

/** Pixels of a packet's row. */
export const PACKET_ROW_HEIGHT = 22;

const PROTOCOLS: Record<string, string> = {
  TLS: "text-violet",
  HTTP: "text-ok",
  SSE: "text-ok",
  JSON: "text-ok",
  DNS: "text-teal",
  UDP: "text-accent",
  QUIC: "text-accent",
};
const LEGS: Record<string, { tone: string; hint: string }> = {
  client: { tone: "bg-accent", hint: "program to gateway" },
  upstream: { tone: "bg-violet", hint: "gateway to provider" },
  direct: { tone: "bg-warn", hint: "around the gateway" },
  other: { tone: "bg-line-strong", hint: "other traffic" },
};

/** The columns of a list of packets; with `sinceUs`, times are counted from there. */
export function packetColumns(sinceUs?: number): Column<PacketView>[] {
  return [
    {
      id: "seq",
      header: "No.",
      width: 68,
      end: true,
      drop: 6,
      cell: (it) => <span className="text-faint">{it.seq}</span>,
    },
    sinceUs === undefined ? clock() : elapsed(sinceUs),
    { id: "leg", header: "Leg", width: 84, drop: 1, cell: (it) => <Leg leg={it.leg} /> },
    { id: "way", header: "", hint: "Direction", width: 28, drop: 3, cell: (it) => <Way packet={it} /> },
    { id: "program", header: "Program", width: 110, grow: 0.6, drop: 5, cell: (it) => <Owner packet={it} /> },
    {
      id: "src",
      header: "Source",
      width: 140,
      grow: 0.3,
      drop: 4,
      cell: (it) => <End packet={it} side="src" />,
    },
    {
      id: "dst",
      header: "Destination",
      width: 140,
      grow: 0.3,
      drop: 4,
      cell: (it) => <End packet={it} side="dst" />,
    },
    { id: "protocol", header: "Protocol", width: 68, drop: 0, cell: (it) => <Protocol name={it.protocol} /> },
    { id: "length", header: "Bytes", width: 60, end: true, drop: 2, cell: (it) => it.length },
    { id: "info", header: "Info", width: 170, grow: 2, drop: 0, cell: (it) => <Info text={it.info} /> },
  ];
}

function clock(): Column<PacketView> {
  const cell = (it: PacketView) => <span className="font-mono text-muted">{timeOfDayUs(it.at_us)}</span>;
  return { id: "time", header: "Time", width: 124, drop: 3, cell };
}

function elapsed(sinceUs: number): Column<PacketView> {
  const cell = (it: PacketView) => (
    <span className="text-muted" title={timeOfDayUs(it.at_us)}>
      {((it.at_us - sinceUs) / 1000).toFixed(3)}
    </span>
  );
  return {
    id: "time",
    header: "ms",
    hint: "Milliseconds since the first packet",
    width: 84,
    end: true,
    drop: 3,
    cell,
  };
}

/** What a packet's row looks like: packets around the gateway stand out. */
export function packetTone(packet: PacketView): string {
  return packet.leg === "direct" ? "bg-[color-mix(in_srgb,var(--warn-fill)_60%,transparent)]" : "";
}

/** Between whom a packet went. */
export function Leg({ leg }: { leg: string }) {
  return (
    <span className="flex items-center gap-1.5" title={LEGS[leg]?.hint}>
      <span className={cn("h-3 w-1 rounded-sm", LEGS[leg]?.tone ?? "bg-line-strong")} />
      <span className="text-muted">{leg}</span>
    </span>
  );
}

function Owner({ packet }: { packet: PacketView }) {
  if (packet.program == null) return <span className="text-faint">{UNKNOWN}</span>;
  return <span title={packet.pid == null ? undefined : `pid ${packet.pid}`}>{packet.program}</span>;
}

/** Which way a packet went between the ends of its flow: on loopback every packet is sent. */
export function Way({ packet }: { packet: PacketView }) {
  const request = packet.toward === "server";
  const name = `${request ? "to the side that accepted" : "back to the side that connected"} (${packet.direction})`;
  return (
    <span className={request ? "text-accent" : "text-muted"} title={name}>
      <span aria-hidden>{request ? "→" : "←"}</span>
      <span className="sr-only">{name}</span>
    </span>
  );
}

/** The name of the host that accepted; an address that was never given a name stands for itself. */
export function hostName({ host, src, dst }: PacketView): string | null {
  return host == null || src.includes(host) || dst.includes(host) ? null : host;
}

/** One end of a packet; the end that accepted is called by the host's name, where it has one. */
function End({ packet, side }: { packet: PacketView; side: "src" | "dst" }) {
  const address = packet[side];
  const accepted = (side === "dst") === (packet.toward === "server");
  const host = accepted ? hostName(packet) : null;
  if (host === null) {
    return (
      <span className="font-mono" title={address}>
        {address}
      </span>
    );
  }
  const port = /^(?:\[.*\]|[^:]*)(:\d+)$/.exec(address)?.[1];
  return (
    <span className="font-mono" title={`${host} (${address})`}>
      {host}
      <span className="text-faint">{port}</span>
    </span>
  );
}

function Protocol({ name }: { name: string }) {
  return <span className={cn("font-medium", PROTOCOLS[name] ?? "text-muted")}>{name}</span>;
}

function Info({ text }: { text: string }) {
  return (
    <span className="font-mono" title={text}>
      {text}
    </span>
  );
}
