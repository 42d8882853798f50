import { Radio, Search, SearchX } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useApp } from "@/app/context";
import { FilterBox } from "@/components/FilterBox";
import { Split } from "@/components/Split";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { VirtualTable } from "@/components/VirtualTable";
import { CallBook } from "@/lib/callBook";
import { parseCallFilter, saidOf, withSaid } from "@/lib/callFilter";
import { count, plural } from "@/lib/format";
import { go, useRoute } from "@/lib/route";
import { useStore } from "@/lib/store";
import { CallDetailPanel } from "./CallDetailPanel";
import { callColumns, foundColumns } from "./columns";
import { FirstCall } from "./FirstCall";

const ROW_HEIGHT = 30;

/** The list of calls, live; one of them open beside it. */
export function CallsPage() {
  const { item, filter } = useRoute();
  const { problem } = parseCallFilter(filter);
  const book = useCallBook(problem === null ? filter : "");
  const searched = saidOf(filter) !== "";
  const columns = useMemo(
    () => (searched ? foundColumns() : callColumns((id) => book.beganAt(id))),
    [book, searched],
  );
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
        <SearchBox filter={filter} onFilter={onFilter} />
        <span className="ml-auto text-xs whitespace-nowrap text-faint">
          {book.loaded && `${count(book.length)}${book.more ? "+" : ""} listed`}
        </span>
      </div>
      {book.loaded && book.error && <StaleNote error={book.error} />}
      {searched && book.unread > 0 && (
        <p role="status" className="border-b bg-warn-fill px-3 py-1 text-sm text-warn">
          {plural(book.unread, "call")} still being read, and not searched yet
        </p>
      )}
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
      detail={
        item === null ? null : (
          <CallDetailPanel
            key={item}
            id={item}
            onClose={() => open(null)}
            onDeleted={() => {
              book.forget(item);
              open(null);
            }}
          />
        )
      }
    />
  );
}

/** Looks for words in what was said: a part of the filter with a box of its own. */
function SearchBox({ filter, onFilter }: { filter: string; onFilter: (text: string) => void }) {
  const [typed, setTyped] = useState("");
  const said = saidOf(filter);
  // What is being typed stays as it is, blanks at its end too.
  const isTyped = saidOf(withSaid("", typed)) === said;
  const onChange = useCallback(
    (text: string) => {
      setTyped(text);
      onFilter(withSaid(filter, text));
    },
    [filter, onFilter],
  );
  return (
    <FilterBox
      label="Search what was said"
      placeholder='words "side by side" begin*'
      value={isTyped ? typed : said}
      problem={null}
      onChange={onChange}
      icon={Search}
      jumpKey="?"
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
