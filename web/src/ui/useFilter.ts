import { useSearchParams } from "wouter";

/** Filters that live in the address, so that a list can be sent to somebody else. */
export function useFilter(): [(key: string) => string, (key: string, value: string | null) => void] {
  const [search, setSearch] = useSearchParams();
  const change = (key: string, value: string | null) =>
    setSearch(
      (now) => {
        const next = new URLSearchParams(now);
        if (value) next.set(key, value);
        else next.delete(key);
        return next;
      },
      { replace: true },
    );
  return [(key) => search.get(key) ?? "", change];
}
