import type { StatusView } from "@/api/schema";
import { cn } from "@/lib/cn";
import { compactCount, count } from "@/lib/format";

/** What became of every packet; losses stand out. */
export function Counters({
  status: { capture, helper },
  skipped,
  listed,
}: {
  status: StatusView;
  skipped: number;
  listed: number;
}) {
  // The kernel's counts come through the helper: without it they are unknown, or those of a helper that is gone.
  const counted = (value: number) => (helper.state === "connected" ? value : null);
  return (
    <section
      aria-label="What became of the packets"
      className="flex shrink-0 flex-wrap items-center gap-x-4 border-t bg-surface px-3 py-1 text-xs text-faint"
    >
      <Figure
        name="seen"
        value={counted(capture.seen)}
        hint="Packets that the kernel programs saw: filtered, ring full, not copied and delivered add up to it"
      />
      <Figure name="filtered" value={counted(capture.filtered)} hint="Not of interest: counted, not kept" />
      <Figure
        name="ring full"
        value={counted(capture.ring_full)}
        loss
        hint="Lost because the kernel's ring was full"
      />
      <Figure name="delivered" value={counted(capture.delivered)} hint="Handed to the helper" />
      <Figure
        name="reader slow"
        value={counted(capture.reader_slow)}
        loss
        hint="Dropped by the helper because this program read too slowly"
      />
      {capture.copy_failed > 0 && (
        <Figure
          name="not copied"
          value={counted(capture.copy_failed)}
          loss
          hint="Lost because the kernel could not copy them"
        />
      )}
      {capture.shortened > 0 && (
        <Figure
          name="shortened"
          value={counted(capture.shortened)}
          loss
          hint="Copied shorter than asked because the kernel's ring was filling up"
        />
      )}
      {capture.events_lost > 0 && (
        <Figure
          name="events lost"
          value={counted(capture.events_lost)}
          loss
          hint="Owners, connections or processes of which nothing was told: names may be missing"
        />
      )}
      <Figure name="kept" value={capture.kept} hint={`Kept in memory, at most ${count(capture.kept_max)}`} />
      <span className="ml-auto flex gap-x-4">
        {skipped > 0 && (
          <Figure
            name="not shown here"
            value={skipped}
            loss
            hint="Came too fast for this list; the pcapng file has them while they are kept"
          />
        )}
        <Figure name="listed" value={listed} hint="In this list" />
      </span>
    </section>
  );
}

function Figure(props: { name: string; value: number | null; hint: string; loss?: boolean }) {
  const lost = props.loss === true && (props.value ?? 0) > 0;
  return (
    <span title={`${props.hint} (${count(props.value)})`} className={cn(lost && "font-medium text-bad")}>
      {props.name}{" "}
      <span className={cn("font-mono", lost ? "text-bad" : "text-muted")}>{compactCount(props.value)}</span>
    </span>
  );
}
