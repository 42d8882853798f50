import type { UseQueryResult } from "@tanstack/react-query";
import { CircleAlert, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./Button";
import { capital, Prose } from "./Prose";

/** Nothing is here, why, and what to do. */
export function EmptyState(props: { icon: LucideIcon; title: string; children?: ReactNode }) {
  const Icon = props.icon;
  return (
    <div className="m-auto flex max-w-xl flex-col items-center gap-2 p-8 text-center">
      <Icon aria-hidden className="mb-1 size-6 text-faint" strokeWidth={1.5} />
      <h2 className="text-lg font-semibold">{props.title}</h2>
      <div className="flex flex-col items-center gap-3 text-muted">{props.children}</div>
    </div>
  );
}

/** Something went wrong, in its own words, and a way to try again. */
export function ErrorState(props: { title: string; error: Error; onRetry?: () => void }) {
  return (
    <div role="alert" className="m-auto flex max-w-xl flex-col items-center gap-2 p-8 text-center">
      <CircleAlert aria-hidden className="mb-1 size-6 text-bad" strokeWidth={1.5} />
      <h2 className="text-lg font-semibold">{props.title}</h2>
      <p className="break-words text-muted">
        <Prose text={capital(props.error.message)} />
      </p>
      {props.onRetry && (
        <Button className="mt-2" onClick={props.onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Grey bars where rows will be. */
export function Skeleton(props: { rows?: number; label?: string }) {
  const rows = Array.from({ length: props.rows ?? 8 }, (_, at) => at);
  return (
    <div role="status" aria-label={props.label ?? "Loading"} className="flex w-full flex-col gap-3 p-4">
      {rows.map((at) => (
        <div
          key={at}
          className="h-3 animate-pulse rounded bg-hover"
          style={{ width: `${92 - ((at * 37) % 45)}%` }}
        />
      ))}
    </div>
  );
}

/** A stripe over a page whose data is old because of `error`. */
export function StaleNote(props: { error: Error }) {
  return (
    <p role="alert" className="shrink-0 border-b bg-bad-fill px-4 py-1 text-sm text-bad">
      Not up to date: <Prose text={props.error.message} />
    </p>
  );
}

/** What there is to say of a query beside its data: that it is awaited, that it failed, that it is old. */
export function QueryState(props: { query: UseQueryResult<unknown>; what: string; rows?: number }) {
  const { query, what, rows } = props;
  if (query.isPending) return <Skeleton rows={rows} label={`Loading ${what}`} />;
  if (!query.error) return null;
  return query.data ? (
    <StaleNote error={query.error} />
  ) : (
    <ErrorState
      title={`The ${what} could not be read`}
      error={query.error}
      onRetry={() => void query.refetch()}
    />
  );
}
