import { useQuery } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useMemo, useState } from "react";
import type { StreamEndView, StreamMessageView, StreamPieceView, StreamView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { Segments } from "@/components/Segments";
import { ErrorState, Skeleton } from "@/components/states";
import { bytes, count, duration, plural, timeOfDayUs } from "@/lib/format";
import { callWords, joined, lacks, mcpWords, type Turn, turns } from "./follow";
import { HexView } from "./HexView";

const VIEWS = [
  { id: "messages", label: "Messages" },
  { id: "text", label: "Text" },
  { id: "client", label: "Hex →" },
  { id: "server", label: "Hex ←" },
] as const;

/** Events shown of one answer; the command line prints all. */
const EVENTS_SHOWN_MAX = 500;

/** What both sides said on a TCP connection, as far as its packets are kept. */
export function FollowPanel({ flow, capture }: { flow: number; capture: number | null }) {
  const { api } = useApp();
  const [chosen, choose] = useState<(typeof VIEWS)[number]["id"] | null>(null);
  const stream = useQuery({
    queryKey: ["flow", capture, flow, "stream"],
    queryFn: () => api.stream(flow),
  });
  if (stream.isPending) return <Skeleton rows={5} />;
  if (stream.error) {
    return (
      <ErrorState
        title="The connection could not be followed"
        error={stream.error}
        onRetry={() => void stream.refetch()}
      />
    );
  }
  const { data } = stream;
  const view = chosen ?? (data.messages.length > 0 ? "messages" : "text");
  return (
    <section aria-label="The connection followed" className="flex min-h-0 flex-1 flex-col">
      <div className="flex shrink-0 flex-wrap items-center gap-3 border-b px-3 py-1 text-sm">
        <Segments label="How it is shown" options={VIEWS} value={view} onChange={choose} />
        <Facts stream={data} />
        <Button
          look="quiet"
          size="icon"
          className="ml-auto"
          aria-label="Read it again"
          onClick={() => void stream.refetch()}
        >
          <RefreshCw className="size-3.5" />
        </Button>
      </div>
      <Lacks who="client" end={data.client} />
      <Lacks who="server" end={data.server} />
      {view === "messages" && <Messages stream={data} />}
      {view === "text" && <Conversation stream={data} />}
      {(view === "client" || view === "server") && (
        <Hex pieces={data.pieces} toward={view === "client" ? "server" : "client"} />
      )}
    </section>
  );
}

/** What is known of the connection as a whole. */
function Facts({ stream }: { stream: StreamView }) {
  const { flow } = stream;
  const facts: [string, number | null | undefined][] = [
    ["dns", flow.dns_us],
    ["tcp", flow.handshake_us],
    ["tls", flow.tls_us],
    ["first byte", flow.first_byte_us],
    ["rtt", flow.rtt_min_us ?? flow.srtt_us],
    ["between packets", flow.answer_gap_mean_us],
  ];
  return (
    <span className="flex flex-wrap gap-x-3 font-mono text-xs text-muted">
      <span>
        →{bytes(stream.client.bytes)} ←{bytes(stream.server.bytes)}
      </span>
      {facts
        .filter(([, us]) => us != null)
        .map(([name, us]) => (
          <span key={name}>
            {name} {duration(us)}
          </span>
        ))}
      {(flow.retransmits ?? 0) > 0 && <span className="text-warn">{count(flow.retransmits)} resent</span>}
      {flow.resets > 0 && <span className="text-warn">{plural(flow.resets, "reset")}</span>}
      {flow.stalls > 0 && <span className="text-warn">{plural(flow.stalls, "stall")}</span>}
      {flow.tls_version && <span>{flow.tls_version}</span>}
      {flow.ja4 && <span title="The client's TLS fingerprint">JA4 {flow.ja4}</span>}
    </span>
  );
}

function Lacks({ who, end }: { who: string; end: StreamEndView }) {
  const found = lacks(end);
  if (found === null) return null;
  return (
    <p className="shrink-0 border-b bg-surface px-3 py-0.5 text-xs text-warn">
      Of what the {who} sent {found}.
    </p>
  );
}

function Messages({ stream }: { stream: StreamView }) {
  if (stream.messages.length === 0) {
    return (
      <p className="p-3 text-sm text-muted">
        {stream.encrypted
          ? "This connection is encrypted: what is said on it cannot be read."
          : "No HTTP message begins in the packets that are kept."}
      </p>
    );
  }
  return (
    <ol className="min-h-0 flex-1 overflow-auto py-1 text-sm">
      {stream.messages.map((message, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: one packet can begin several messages.
        <Message key={at} message={message} />
      ))}
    </ol>
  );
}

function Message({ message }: { message: StreamMessageView }) {
  const { events, call, mcp, text } = message;
  const asks = message.toward === "server";
  return (
    <li className="border-b px-3 py-1.5 last:border-b-0">
      <p className="flex gap-2">
        <span aria-hidden className={asks ? "text-accent" : "text-ok"}>
          {asks ? "→" : "←"}
        </span>
        <time className="font-mono text-muted">{timeOfDayUs(message.at_us)}</time>
        <span className="min-w-0 truncate font-mono font-medium">{message.first_line}</span>
        <span className="ml-auto whitespace-nowrap text-faint">
          {bytes(message.body_bytes)}
          {message.missing > 0 && ` + ${bytes(message.missing)} missing`}
          {!message.whole && ", not whole"}
        </span>
      </p>
      {call && <p className="pl-5 text-violet">{callWords(call)}</p>}
      {mcp && <p className="pl-5 text-teal">{mcpWords(mcp)}</p>}
      {message.headers.length > 0 && (
        <details className="pl-5">
          <summary className="cursor-default text-faint">{plural(message.headers.length, "header")}</summary>
          {message.headers.map((header, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: headers may repeat and never move.
            <p key={at} className="font-mono text-xs break-all">
              <span className="text-faint">{header.name}: </span>
              {header.value}
            </p>
          ))}
        </details>
      )}
      {events.length > 0 ? (
        <ol aria-label="Events" className="pl-5">
          {events.slice(0, EVENTS_SHOWN_MAX).map((event, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: events never move.
            <li key={at} className="flex gap-2 font-mono text-xs">
              <span className="w-20 shrink-0 text-right text-faint">
                +{duration(event.at_us - message.at_us)}
              </span>
              {event.name && <span className="shrink-0 text-muted">{event.name}</span>}
              <span className="min-w-0 break-all">{event.data}</span>
            </li>
          ))}
          {events.length > EVENTS_SHOWN_MAX && (
            <li className="text-faint">{count(events.length - EVENTS_SHOWN_MAX)} more events</li>
          )}
        </ol>
      ) : (
        text && <pre className="max-h-60 overflow-auto pl-5 text-xs whitespace-pre-wrap">{text}</pre>
      )}
    </li>
  );
}

function Conversation({ stream }: { stream: StreamView }) {
  const { shown, hidden } = useMemo(() => turns(stream.pieces), [stream.pieces]);
  if (stream.encrypted) {
    return (
      <p className="p-3 text-sm text-muted">
        This connection is encrypted: its bytes are there in hexadecimal.
      </p>
    );
  }
  if (shown.length === 0) return <p className="p-3 text-sm text-muted">Nothing that was said is kept.</p>;
  return (
    <ol className="min-h-0 flex-1 overflow-auto py-1 font-mono text-xs">
      {shown.map((turn, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: turns never move.
        <Said key={at} turn={turn} />
      ))}
      {hidden > 0 && <li className="px-3 py-1 text-faint">{bytes(hidden)} more are not shown here.</li>}
    </ol>
  );
}

function Said({ turn }: { turn: Turn }) {
  const asks = turn.toward === "server";
  return (
    <li className="flex gap-2 px-3 py-0.5">
      <span aria-hidden className={asks ? "text-accent" : "text-ok"}>
        {asks ? "→" : "←"}
      </span>
      {turn.missing === null ? (
        <pre className="min-w-0 flex-1 break-all whitespace-pre-wrap">{turn.text}</pre>
      ) : (
        <span className="text-warn">{turn.missing}</span>
      )}
    </li>
  );
}

function Hex({ pieces, toward }: { pieces: StreamPieceView[]; toward: string }) {
  const all = useMemo(() => joined(pieces, toward), [pieces, toward]);
  return <HexView bytes={all} range={null} onPick={() => undefined} />;
}
