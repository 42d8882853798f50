import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Archive } from "lucide-react";
import type { CacheFilterView, CacheGroupView, CacheView, CachingView } from "@/api/schema";
import { useApp, useRefreshOnCalls, useStatus } from "@/app/context";
import { Button } from "@/components/Button";
import { CopyLine } from "@/components/CopyLine";
import { Money } from "@/components/Money";
import { EmptyState, ErrorState, Skeleton, StaleNote } from "@/components/states";
import { Cell, Head, Table } from "@/components/Table";
import { ago, bytes, count, fullTime, plural, UNKNOWN } from "@/lib/format";
import { told } from "./caching";

/** Answers go when their time is over, without an event: it is asked for this often while it is shown. */
const REFRESH_MS = 10_000;
const HOUR_MS = 3_600_000;

/** What the cache of answers holds, did and saved, and buttons that empty it. */
export function CachePage() {
  const { api } = useApp();
  const cache = useQuery({
    queryKey: ["cache"],
    queryFn: () => api.cache(),
    refetchInterval: REFRESH_MS,
  });
  useRefreshOnCalls("cache", "settled");
  const { data } = cache;
  const isUsed = data && (data.on || data.saved.cached_calls > 0);
  return (
    <div className="flex h-full min-h-0 flex-col">
      {cache.isPending && <Skeleton label="Loading the cache" />}
      {cache.error && !data && (
        <ErrorState
          title="The cache could not be read"
          error={cache.error}
          onRetry={() => void cache.refetch()}
        />
      )}
      {cache.error && data && <StaleNote error={cache.error} />}
      {data && !isUsed && <NoCache />}
      {data && isUsed && <Cache cache={data} />}
    </div>
  );
}

const EXAMPLE = `[cache]
on = true
ttl_s = 3600`;

function NoCache() {
  const status = useStatus();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable.
    <section aria-label="No cache" tabIndex={0} className="flex min-h-0 flex-1 overflow-y-auto">
      <EmptyState icon={Archive} title="No answers are cached">
        <p>
          What was answered once can be answered again, at once and for nothing: to programs that ask the same
          in each run, and to many calls with the same request at the same time. Each key and each user has
          answers of its own, which are in memory alone.
        </p>
        <CopyLine label="an example" text={EXAMPLE} />
        {status && (
          <div className="flex w-full flex-col gap-1.5">
            <p>It stands in the configuration file, and holds as soon as that is saved:</p>
            <CopyLine label="the path of the configuration file" text={status.configuration_file} />
          </div>
        )}
      </EmptyState>
    </section>
  );
}

function Cache({ cache }: { cache: CacheView }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const clear = useMutation({
    mutationFn: (filter: CacheFilterView) => api.clearCache(filter),
    onSettled: () => queries.invalidateQueries({ queryKey: ["cache"] }),
  });
  return (
    <>
      <Figures cache={cache} />
      <div className="flex shrink-0 flex-wrap items-center gap-2 border-y px-4 py-1.5 text-sm">
        <Usual cache={cache} />
        <span role="status" className="ml-auto text-xs text-muted">
          {clear.error?.message ?? (clear.data && `${plural(clear.data.cleared, "answer")} forgotten`)}
        </span>
        <Button
          disabled={cache.entries === 0 || clear.isPending}
          onClick={() => clear.mutate({ older_than_ms: HOUR_MS })}
        >
          Forget what is older than an hour
        </Button>
        <Button disabled={cache.entries === 0 || clear.isPending} onClick={() => clear.mutate({})}>
          Forget all
        </Button>
      </div>
      {cache.groups.length === 0 ? (
        <p className="p-4 text-muted">It holds no answer now.</p>
      ) : (
        <Groups groups={cache.groups} busy={clear.isPending} onClear={(it) => clear.mutate(it)} />
      )}
    </>
  );
}

function Figures({ cache }: { cache: CacheView }) {
  const { saved } = cache;
  const looked = cache.hits + cache.misses;
  return (
    <div className="flex shrink-0 flex-wrap items-start gap-x-8 gap-y-3 px-4 pt-3 pb-3">
      <Figure name="Saved in 30 days">
        <Money pico={saved.saved_pico_usd} />
        {saved.unknown_saved > 0 && (
          <span
            className="block font-sans text-xs text-warn"
            title={`What ${plural(saved.unknown_saved, "call")} would have cost is unknown, and not in this sum.`}
          >
            + {count(saved.unknown_saved)} unknown
          </span>
        )}
      </Figure>
      <Figure name="Answered in 30 days" hint={`Of ${plural(saved.calls, "call")}`}>
        {plural(saved.cached_calls, "call")}
      </Figure>
      <Figure
        name="Found since the start"
        hint={`${count(cache.hits)} found, ${count(cache.misses)} not; ${count(cache.followed)} waited for an equal call; ${count(cache.bypassed)} bypassed the cache`}
      >
        {looked === 0 ? UNKNOWN : `${Math.round((cache.hits / looked) * 100)} %`}
      </Figure>
      <Figure name="Holds" hint={`Of ${plural(cache.entries_max, "answer")}`}>
        {plural(cache.entries, "answer")}
      </Figure>
      <Figure name="Takes" hint={`Of ${bytes(cache.bytes_max)} of memory`}>
        {bytes(cache.bytes)}
      </Figure>
    </div>
  );
}

function Figure(props: { name: string; hint?: string; children: React.ReactNode }) {
  return (
    <div title={props.hint}>
      <div className="text-xs text-faint">{props.name}</div>
      <div className="font-mono text-base">{props.children}</div>
    </div>
  );
}

/** How calls use it. */
function Usual({ cache }: { cache: CacheView }) {
  const line = (name: string, caching: CachingView | null | undefined) => (
    <p key={name}>
      <span className="font-medium">{name}</span> <span className="text-muted">{told(caching)}</span>
    </p>
  );
  return (
    <div>
      {line("Calls are", cache.usual)}
      {cache.models.map((it) => line(`${it.model} is`, it.caching))}
    </div>
  );
}

function Groups(props: {
  groups: CacheGroupView[];
  busy: boolean;
  onClear: (filter: CacheFilterView) => void;
}) {
  const now = Date.now();
  const at = (ms: number) => <span title={fullTime(ms)}>{ago(ms, now)}</span>;
  return (
    <Table label="Cached answers">
      <thead>
        <tr>
          <Head>Model</Head>
          <Head>Provider</Head>
          <Head hint="The model of your own that was asked for">Your model</Head>
          <Head end>Answers</Head>
          <Head end>Size</Head>
          <Head end hint="Calls that these answers were for">
            Used
          </Head>
          <Head end>Oldest</Head>
          <Head end>Newest</Head>
          <Head end>
            <span className="sr-only">Forget</span>
          </Head>
        </tr>
      </thead>
      <tbody>
        {props.groups.map((it) => (
          <tr key={JSON.stringify([it.route, it.model, it.provider])} className="hover:bg-hover">
            <Cell className="font-medium">{it.model ?? UNKNOWN}</Cell>
            <Cell>{it.provider}</Cell>
            <Cell>{it.route ?? <span className="text-faint">{UNKNOWN}</span>}</Cell>
            <Cell end>{count(it.entries)}</Cell>
            <Cell end>{bytes(it.bytes)}</Cell>
            <Cell end>{count(it.hits)}</Cell>
            <Cell end>{at(it.oldest_at_ms)}</Cell>
            <Cell end>{at(it.newest_at_ms)}</Cell>
            <Cell end>
              <Button
                size="small"
                disabled={props.busy}
                title={it.route == null ? "Also what models of your own brought from there" : undefined}
                aria-label={`Forget the answers of ${it.model ?? "this model"} by ${it.provider}`}
                onClick={() => props.onClear({ model: it.model, route: it.route, provider: it.provider })}
              >
                Forget
              </Button>
            </Cell>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
