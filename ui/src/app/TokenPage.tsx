import { KeyRound } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { CopyLine } from "@/components/CopyLine";

/** Asks for the admin token that a browser needs. */
export function TokenPage(props: { refused: boolean; onToken: (token: string) => void }) {
  const [token, setToken] = useState("");
  const enter = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") props.onToken(token.trim());
  };
  return (
    <main className="flex h-full items-center justify-center bg-surface p-6">
      <form
        onSubmit={enter}
        className="flex w-full max-w-md flex-col gap-4 rounded-xl border bg-raised p-6 shadow-sm"
      >
        <header className="flex items-center gap-3">
          <KeyRound aria-hidden className="size-5 text-accent" strokeWidth={1.75} />
          <h1 className="text-lg font-semibold">Tollgate's console needs the admin token</h1>
        </header>
        {props.refused && (
          <p role="alert" className="rounded-md bg-bad-fill px-3 py-1.5 text-sm text-bad">
            This token was not accepted.
          </p>
        )}
        <p className="text-muted">
          The token keeps other programs and users of this machine out. This prints the console's address with
          the token in it; open that, or paste it into this tab:
        </p>
        <CopyLine label="the command that prints the address" text="tollgate status" />
        <div className="flex gap-2">
          <input
            // biome-ignore lint/a11y/noAutofocus: the page has this one field.
            autoFocus
            type="password"
            autoComplete="off"
            aria-label="Admin token"
            value={token}
            onChange={(event) => setToken(event.target.value)}
            className="h-8 min-w-0 flex-1 rounded-md border border-line-strong bg-bg px-2.5 font-mono"
          />
          <Button type="submit" look="main" className="h-8" disabled={token.trim() === ""}>
            Open
          </Button>
        </div>
        <p className="text-sm text-faint">
          The token itself stands in the file <code>admin.token</code> of Tollgate's data folder.
        </p>
      </form>
    </main>
  );
}
