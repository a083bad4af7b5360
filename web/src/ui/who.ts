/** Whoever has a token of this name: tokens have names, people are not known. */
export function who(author: string): string {
  return author === "" ? "Somebody" : `Somebody signed in as “${author}”`;
}
