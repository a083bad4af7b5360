import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { leaveSeat, type Seat, seats, takeSeat } from "@/api/seats";

interface Seated {
  /** Who edits; undefined until the server has said. Without a word from it the last one counts. */
  seat: Seat | undefined;
  /** The first question failed: nothing is known. */
  error: Error | null;
  take: () => void;
  taking: boolean;
}

/** Asks for the seat of a draft as long as the page shows it. */
export function useSeat(flow: string): Seated {
  const queries = useQueryClient();
  const asked = useQuery(seats.of(flow));
  const taking = useMutation({
    mutationFn: () => takeSeat(flow),
    onSuccess: (seat) => queries.setQueryData(seats.of(flow).queryKey, seat),
  });
  useEffect(() => () => void leaveSeat(flow).catch(() => null), [flow]);
  return {
    seat: asked.data,
    error: asked.data === undefined ? asked.error : null,
    take: taking.mutate,
    taking: taking.isPending,
  };
}
