import { Radio, SearchX } from "lucide-react";
import { useCallback, useEffect, useMemo } from "react";
import { useApp } from "@/app/context";
import { FilterBox } from "@/components/FilterBox";
import { Split } from "@/components/Split";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { VirtualTable } from "@/components/VirtualTable";
import { CallBook } from "@/lib/callBook";
import { parseCallFilter } from "@/lib/callFilter";
import { count } from "@/lib/format";
import { go, useRoute } from "@/lib/route";
import { useStore } from "@/lib/store";
import { CallDetailPanel } from "./CallDetailPanel";
import { callColumns } from "./columns";
import { FirstCall } from "./FirstCall";

const ROW_HEIGHT = 30;

/** The list of calls, live; one of them open beside it. */
export function CallsPage() {
  const { item, filter } = useRoute();
  const { problem } = parseCallFilter(filter);
  const book = useCallBook(problem === null ? filter : "");
  const columns = useMemo(() => callColumns((id) => book.beganAt(id)), [book]);
  const onFilter = useCallback((text: string) => go({ page: "calls", item, filter: text }, true), [item]);
  const open = (id: string | null) => go({ page: "calls", item: id, filter }, item !== null && id !== null);
  const list = (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex shrink-0 items-center gap-3 border-b px-3 py-1.5">
        <FilterBox
          label="Filter calls"
          placeholder="program:claude model:gpt-5 state:failed or any text"
          value={filter}
          problem={problem}
          onChange={onFilter}
        />
        <span className="ml-auto text-xs whitespace-nowrap text-faint">
          {book.loaded && `${count(book.length)}${book.more ? "+" : ""} listed`}
        </span>
      </div>
      {book.loaded && book.error && <StaleNote error={book.error} />}
      {!book.loaded && book.error && (
        <ErrorState
          title="The calls could not be read"
          error={book.error}
          onRetry={() => void book.refresh()}
        />
      )}
      {!book.loaded && !book.error && <Skeleton rows={12} label="Loading calls" />}
      {book.loaded && book.length === 0 && <Nothing filtered={filter !== ""} onClear={() => onFilter("")} />}
      {book.loaded && book.length > 0 && (
        <VirtualTable
          label="Calls"
          columns={columns}
          count={book.length}
          rowAt={(at) => book.at(at)}
          keyOf={(call) => call.id}
          rowHeight={ROW_HEIGHT}
          selected={item === null ? null : { key: item, index: book.indexOf(item) }}
          onSelect={(call) => open(call?.id ?? null)}
          indexOf={(id) => book.indexOf(id)}
          onEnd={book.more ? () => void book.older() : undefined}
        />
      )}
    </div>
  );
  return (
    <Split
      id="calls"
      list={list}
      onClose={() => open(null)}
      detail={item === null ? null : <CallDetailPanel key={item} id={item} onClose={() => open(null)} />}
    />
  );
}

function Nothing({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  if (filtered) {
    return (
      <EmptyState icon={SearchX} title="No call matches the filter">
        <button type="button" className="text-accent hover:underline" onClick={onClear}>
          Show all calls
        </button>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={Radio} title="No call has been made yet">
      <FirstCall />
    </EmptyState>
  );
}

function useCallBook(text: string): CallBook {
  const { api, hub } = useApp();
  const book = useMemo(() => new CallBook(api, parseCallFilter(text).filter), [api, text]);
  useStore(book);
  useEffect(() => {
    const deaf = hub.listen({ heard: (call) => book.heard(call), refresh: () => void book.refresh() });
    void book.refresh();
    return () => {
      deaf();
      book.stop();
    };
  }, [book, hub]);
  return book;
}
