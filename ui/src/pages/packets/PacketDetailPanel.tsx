import { useQuery } from "@tanstack/react-query";
import { ChevronRight, MessagesSquare, X } from "lucide-react";
import { useMemo, useState } from "react";
import type { FieldView, LayerView, PacketDetail, PacketView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { ErrorState, Skeleton } from "@/components/states";
import { cn } from "@/lib/cn";
import { timeOfDayUs } from "@/lib/format";
import { href } from "@/lib/route";
import { hostName, Leg, Way } from "./columns";
import { FollowPanel } from "./FollowPanel";
import { HexView } from "./HexView";
import { bytesOf } from "./hex";

/** One packet of a capture: its layers beside its bytes; a field lights up its bytes, a byte its field. */
export function PacketDetailPanel(props: { capture: number | null; seq: number; onClose: () => void }) {
  const { capture, seq, onClose } = props;
  const { api } = useApp();
  const detail = useQuery({
    queryKey: ["packet", capture, seq],
    queryFn: () => api.packet(seq),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [followed, setFollowed] = useState(false);
  const packet = detail.data?.packet;
  const isTcp = detail.data?.layers.some((it) => it.name === "TCP") ?? false;
  return (
    <section aria-label={`Packet ${seq}`} className="flex h-full min-h-0 flex-col bg-bg">
      <header className="flex h-8 shrink-0 items-center gap-3 border-b bg-surface pr-1 pl-3 text-sm">
        <h2 className="font-medium whitespace-nowrap">Packet {seq}</h2>
        {packet && <Summary packet={packet} />}
        <span className="ml-auto" />
        {isTcp && (
          <Button look="quiet" size="small" aria-pressed={followed} onClick={() => setFollowed(!followed)}>
            <MessagesSquare aria-hidden className="size-3.5" />
            {followed ? "Show the packet" : "Follow its connection"}
          </Button>
        )}
        {packet?.call && (
          <a
            className="whitespace-nowrap text-accent hover:underline"
            href={href({ page: "calls", item: packet.call })}
          >
            Show its call
          </a>
        )}
        <Button look="quiet" size="icon" aria-label="Close the packet" onClick={onClose}>
          <X className="size-4" />
        </Button>
      </header>
      {detail.isPending && <Skeleton rows={5} />}
      {detail.error && (
        <ErrorState
          title="The packet could not be read"
          error={detail.error}
          onRetry={() => void detail.refetch()}
        />
      )}
      {detail.data && !followed && <Decoded detail={detail.data} />}
      {packet && followed && <FollowPanel flow={packet.flow} capture={capture} />}
    </section>
  );
}

/** When, whose, between whom, which way, and what. */
function Summary({ packet }: { packet: PacketView }) {
  const host = hostName(packet);
  return (
    <>
      <time className="font-mono whitespace-nowrap text-muted">{timeOfDayUs(packet.at_us)}</time>
      <Leg leg={packet.leg} />
      <Way packet={packet} />
      <span className="min-w-0 truncate">
        {packet.program ?? <span className="text-faint">unknown program</span>}
        {packet.pid != null && <span className="font-mono text-faint"> {packet.pid}</span>}
        {host !== null && <span className="text-muted"> · {host}</span>}
      </span>
      <span className="min-w-0 flex-1 truncate font-mono text-muted">{packet.info}</span>
    </>
  );
}

function Decoded({ detail }: { detail: PacketDetail }) {
  const bytes = useMemo(() => bytesOf(detail.bytes_base64), [detail.bytes_base64]);
  const [chosen, setChosen] = useState<FieldView | null>(null);
  const choose = (at: number) => setChosen(fieldAt(detail.layers, at));
  const cut = detail.packet.length > bytes.length;
  return (
    <div className="@container flex min-h-0 flex-1">
      <div className="grid min-h-0 flex-1 grid-rows-[minmax(0,3fr)_minmax(0,2fr)] @min-[880px]:grid-cols-[minmax(0,1fr)_calc(74ch+1.75rem)] @min-[880px]:grid-rows-none font-mono text-sm">
        <div className="overflow-auto py-1 font-sans">
          {detail.layers.map((layer, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a tunnelled packet has layers of one name.
            <Layer key={`${at}-${layer.name}`} layer={layer} chosen={chosen} onChoose={setChosen} />
          ))}
        </div>
        <div className="flex min-h-0 flex-col border-t @min-[880px]:border-t-0 @min-[880px]:border-l">
          <HexView bytes={bytes} range={chosen?.range ?? null} onPick={choose} />
          {cut && (
            <p className="shrink-0 border-t bg-surface px-3 py-0.5 text-xs text-faint">
              {bytes.length} of {detail.packet.length} bytes were captured.
            </p>
          )}
        </div>
      </div>
    </div>
  );
}

/** Which layers are folded: kept while one goes through packets. */
const folded = new Set<string>();

function Layer(props: { layer: LayerView; chosen: FieldView | null; onChoose: (field: FieldView) => void }) {
  const { name } = props.layer;
  const [open, setOpen] = useState(!folded.has(name));
  const turn = () => {
    if (open) folded.add(name);
    else folded.delete(name);
    setOpen(!open);
  };
  return (
    <div className="text-sm">
      <button
        type="button"
        aria-expanded={open}
        className="flex w-full items-center gap-1 px-2 py-0.5 text-left hover:bg-hover"
        onClick={turn}
      >
        <ChevronRight
          aria-hidden
          className={cn("size-3.5 shrink-0 text-faint transition-transform", open && "rotate-90")}
        />
        <span className="font-semibold">{name}</span>
        <span className="truncate text-muted">{props.layer.summary}</span>
      </button>
      {open &&
        props.layer.fields.map((field, at) => (
          <button
            // biome-ignore lint/suspicious/noArrayIndexKey: fields of one name may repeat and never move.
            key={at}
            type="button"
            aria-pressed={field === props.chosen}
            className="flex w-full gap-2 py-px pr-2 pl-7 text-left hover:bg-hover aria-pressed:bg-selected"
            onClick={() => props.onChoose(field)}
          >
            <span className="w-40 shrink-0 truncate text-faint">{field.name}</span>
            <span className="min-w-0 font-mono break-words">{field.value}</span>
          </button>
        ))}
    </div>
  );
}

/** The smallest field that `at` stands in. */
function fieldAt(layers: LayerView[], at: number): FieldView | null {
  let best: FieldView | null = null;
  let bestSize = Number.POSITIVE_INFINITY;
  for (const field of layers.flatMap((it) => it.fields)) {
    if (!field.range) continue;
    const [from, to] = field.range;
    if (from <= at && at < to && to - from < bestSize) {
      best = field;
      bestSize = to - from;
    }
  }
  return best;
}
