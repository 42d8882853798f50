import { Search } from "lucide-react";
import { Tooltip } from "@/components/Tooltip";
import { cn } from "@/lib/cn";
import { href } from "@/lib/route";
import { PAGES } from "./pages";

/** The pages, as icons alone where the window is narrow. */
export function Nav(props: { page: string; onPalette: () => void }) {
  return (
    <nav
      aria-label="Pages"
      className="flex w-12 shrink-0 flex-col gap-px border-r bg-surface p-1.5 wide:w-44 wide:p-2"
    >
      <div className="mb-2 flex h-8 items-center gap-2 px-1.5 font-semibold">
        <Mark />
        <span className="hidden text-lg tracking-tight wide:inline">Tollgate</span>
      </div>
      {PAGES.map(({ id, name, key, icon: Icon }) => (
        <Tooltip key={id} side="right" text={`${name}: g ${key}`}>
          <a
            href={href({ page: id })}
            aria-current={props.page === id ? "page" : undefined}
            className={cn(
              "flex h-8 items-center gap-2.5 rounded-md px-2 text-muted hover:bg-hover hover:text-text",
              props.page === id && "bg-selected font-medium text-text",
            )}
          >
            <Icon
              aria-hidden
              className={cn("size-4 shrink-0", props.page === id && "text-accent")}
              strokeWidth={1.75}
            />
            <span className="sr-only wide:not-sr-only">{name}</span>
          </a>
        </Tooltip>
      ))}
      <button
        type="button"
        title="Find a page or a command (ctrl-k)"
        onClick={props.onPalette}
        className="mt-auto flex h-8 items-center gap-2.5 rounded-md px-2 text-muted hover:bg-hover hover:text-text"
      >
        <Search aria-hidden className="size-4 shrink-0" strokeWidth={1.75} />
        <span className="sr-only wide:not-sr-only">Find</span>
        <kbd className="ml-auto hidden text-xs text-faint wide:inline">ctrl k</kbd>
      </button>
    </nav>
  );
}

/** A gate that is half open. */
function Mark() {
  return (
    <svg aria-hidden="true" viewBox="0 0 24 24" className="size-6 shrink-0">
      <rect width="24" height="24" rx="6" className="fill-accent-fill" />
      <path d="M7 18.5V8M7 10.5l10.5-4" stroke="#fff" strokeWidth="2.4" strokeLinecap="round" />
      <circle cx="7" cy="10.5" r="2" fill="#fff" />
    </svg>
  );
}
