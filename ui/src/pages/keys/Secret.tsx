import type { KeySecretView } from "@/api/schema";
import { Button } from "@/components/Button";
import { CopyLine } from "@/components/CopyLine";

/** A secret that is shown now and never again. */
export function Secret({ made, onDone }: { made: KeySecretView; onDone: () => void }) {
  return (
    <div className="flex flex-col gap-3 p-5">
      <p aria-hidden className="text-lg font-semibold">
        The secret of {made.key.name}
      </p>
      <p className="text-muted">
        Copy it now: it is shown this once, and Tollgate keeps only a hash of it. Give it to an SDK where a
        provider’s key would stand.
      </p>
      <CopyLine label="the secret" text={made.secret} />
      <div className="flex justify-end pt-1">
        <Button look="main" onClick={onDone}>
          Done
        </Button>
      </div>
    </div>
  );
}
