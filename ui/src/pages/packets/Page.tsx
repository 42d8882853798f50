import { ArrowDownToLine, Eraser, Network, Pause, Play, SearchX } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { ApiError } from "@/api/client";
import type { StatusView } from "@/api/schema";
import { useApp, useStatus } from "@/app/context";
import { useSwitches } from "@/app/useSwitches";
import { Button } from "@/components/Button";
import { FilterBox } from "@/components/FilterBox";
import { Split } from "@/components/Split";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { VirtualTable } from "@/components/VirtualTable";
import { PacketBook } from "@/lib/packetBook";
import { go, useRoute } from "@/lib/route";
import { useStore } from "@/lib/store";
import { Counters } from "./Counters";
import { PACKET_ROW_HEIGHT, packetColumns, packetTone } from "./columns";
import { HelperMissing } from "./HelperMissing";
import { PacketDetailPanel } from "./PacketDetailPanel";
import { SaveCapture } from "./SaveCapture";

const COLUMNS = packetColumns();

/** The packets, live; one of them open below. */
export function PacketsPage() {
  const { item, filter } = useRoute();
  const status = useStatus();
  const book = usePacketBook(filter);
  const [follow, setFollow] = useState(true);
  const seq = item === null ? null : Number(item);
  const problem = book.error instanceof ApiError && book.error.status === 400 ? book.error.message : null;
  const onFilter = useCallback((text: string) => go({ page: "packets", item, filter: text }, true), [item]);
  const open = (packet: number | null) => {
    if (packet !== null) setFollow(false);
    go({ page: "packets", item: packet === null ? null : String(packet), filter }, true);
  };
  const list = (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 flex-wrap items-center gap-2 border-b px-3 py-1.5">
        <FilterBox
          label="Filter packets"
          placeholder="program:claude host:api.openai.com port:443 proto:tls dir:out or any text"
          value={filter}
          problem={problem}
          onChange={onFilter}
        />
        <div className="ml-auto flex items-center gap-2">
          <Controls status={status} book={book} follow={follow} onFollow={setFollow} />
          <SaveCapture of={{ filter }} name="tollgate.pcapng" />
        </div>
      </div>
      {book.loaded && book.error && problem === null && <StaleNote error={book.error} />}
      <Rows
        book={book}
        status={status}
        filter={filter}
        problem={problem}
        follow={follow}
        onFollow={setFollow}
        seq={seq}
        onOpen={open}
      />
      {status && <Counters status={status} skipped={book.skipped} listed={book.ring.length} />}
    </div>
  );
  return (
    <Split
      id="packets"
      stacked
      list={list}
      onClose={() => open(null)}
      detail={
        seq === null ? null : (
          <PacketDetailPanel key={seq} capture={book.capture} seq={seq} onClose={() => open(null)} />
        )
      }
    />
  );
}

function Controls(props: {
  status: StatusView | null;
  book: PacketBook;
  follow: boolean;
  onFollow: (on: boolean) => void;
}) {
  const { problem, setCapture, clearCapture } = useSwitches();
  const { status, book, follow, onFollow } = props;
  const paused = status?.capture.paused === true;
  const absent = status === null || status.helper.state !== "connected";
  const clear = async () => {
    if (await clearCapture()) book.clear();
  };
  return (
    <>
      {problem !== null && (
        <span role="alert" className="max-w-64 truncate text-xs text-bad" title={problem}>
          {problem}
        </span>
      )}
      <Button disabled={absent} aria-pressed={paused} onClick={() => void setCapture(!paused)}>
        {paused ? <Play aria-hidden className="size-3.5" /> : <Pause aria-hidden className="size-3.5" />}
        {paused ? "Resume" : "Pause"}
      </Button>
      <Button aria-pressed={follow} className={follow ? "text-accent" : ""} onClick={() => onFollow(!follow)}>
        <ArrowDownToLine aria-hidden className="size-3.5" /> Follow
      </Button>
      <Button onClick={() => void clear()}>
        <Eraser aria-hidden className="size-3.5" /> Clear
      </Button>
    </>
  );
}

function Rows(props: {
  book: PacketBook;
  status: StatusView | null;
  filter: string;
  problem: string | null;
  follow: boolean;
  onFollow: (on: boolean) => void;
  seq: number | null;
  onOpen: (seq: number | null) => void;
}) {
  const { book, status, seq } = props;
  if (props.problem !== null) {
    return (
      <EmptyState icon={SearchX} title="The filter cannot be read">
        <p>{props.problem}</p>
      </EmptyState>
    );
  }
  if (!book.loaded) return <Skeleton rows={14} label="Loading packets" />;
  if (book.error && book.ring.length === 0)
    return (
      <ErrorState
        title="The packets could not be read"
        error={book.error}
        onRetry={() => void book.refresh()}
      />
    );
  if (book.ring.length === 0) {
    if (status && status.helper.state !== "connected") return <HelperMissing helper={status.helper} />;
    return <Nothing status={status} filtered={props.filter !== ""} />;
  }
  return (
    <VirtualTable
      label="Packets"
      columns={COLUMNS}
      count={book.ring.length}
      rowAt={(at) => book.ring.at(at)}
      keyOf={(packet) => String(packet.seq)}
      rowHeight={PACKET_ROW_HEIGHT}
      rowClass={packetTone}
      selected={seq === null ? null : { key: String(seq), index: book.indexOf(seq) }}
      onSelect={(packet) => props.onOpen(packet?.seq ?? null)}
      follow={{ on: props.follow, onChange: props.onFollow }}
      indexOf={(key) => book.indexOf(Number(key))}
    />
  );
}

function Nothing({ status, filtered }: { status: StatusView | null; filtered: boolean }) {
  if (filtered) {
    return (
      <EmptyState icon={SearchX} title="No packet matches the filter">
        <p>New ones that match show up by themselves.</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={Network} title={status?.capture.paused ? "The capture is paused" : "No packet yet"}>
      <p>
        {status?.capture.paused
          ? "Resume it to see packets again."
          : "Packets of LLM calls show up here as they pass."}
      </p>
    </EmptyState>
  );
}

function usePacketBook(filter: string): PacketBook {
  const { api, host } = useApp();
  const book = useMemo(() => new PacketBook(api, host, filter), [api, host, filter]);
  useStore(book);
  useEffect(() => {
    book.start();
    return () => book.stop();
  }, [book]);
  return book;
}
