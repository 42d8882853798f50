import { useMutation } from "@tanstack/react-query";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { Prose } from "@/components/Prose";

/** Replaces the admin token; this page goes on with the new one. */
export function ConsoleAccess() {
  const { api, host } = useApp();
  const rotate = useMutation({
    mutationFn: api.rotateToken,
    onSuccess: ({ address }) => {
      const token = address?.split("#token=")[1];
      if (token !== undefined) host.token?.set(decodeURIComponent(token));
    },
  });
  return (
    <div className="flex flex-col gap-2">
      <div className="flex items-center gap-3">
        <Button disabled={rotate.isPending} onClick={() => rotate.mutate()}>
          Make a new admin token
        </Button>
        {rotate.isSuccess && (
          <span role="status" className="text-sm text-muted">
            The former token is good no longer. <code>tollgate console</code> prints the new address.
          </span>
        )}
      </div>
      {rotate.error && (
        <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
          <Prose text={rotate.error.message} />
        </p>
      )}
    </div>
  );
}
