import { useMutation } from "@tanstack/react-query";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { Prose } from "@/components/Prose";

/** Asks before a call is deleted for good. */
export function DeleteCall(props: { id: string; onCancel: () => void; onDeleted: () => void }) {
  const { api } = useApp();
  const remove = useMutation({
    mutationFn: () => api.deleteCalls({ ids: [props.id] }),
    onSuccess: props.onDeleted,
  });
  return (
    <div className="flex flex-col gap-3 p-5">
      <p aria-hidden className="text-lg font-semibold">
        Delete this call?
      </p>
      <p className="text-muted">
        The call and what was said in it are deleted for good. What it cost stays in all sums: the money is
        spent.
      </p>
      {remove.error && (
        <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
          <Prose text={remove.error.message} />
        </p>
      )}
      <div className="flex flex-wrap justify-end gap-2 pt-1">
        <Button onClick={props.onCancel}>Cancel</Button>
        <Button look="main" disabled={remove.isPending} onClick={() => remove.mutate()}>
          Delete
        </Button>
      </div>
    </div>
  );
}
