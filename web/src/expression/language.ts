import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";

interface State {
  comment: boolean;
}

/** JSONata as far as colours need it. */
export const jsonata = StreamLanguage.define<State>({
  name: "jsonata",
  startState: () => ({ comment: false }),
  token(stream, state) {
    if (state.comment) {
      if (stream.match(/.*?\*\//)) state.comment = false;
      else stream.skipToEnd();
      return "comment";
    }
    if (stream.eatSpace()) return null;
    if (stream.match("/*")) {
      state.comment = true;
      return "comment";
    }
    if (stream.match(/"(?:[^"\\]|\\.)*"?/) || stream.match(/'(?:[^'\\]|\\.)*'?/)) {
      return stream.match(/\s*:/, false) ? "propertyName" : "string";
    }
    if (stream.match(/`[^`]*`?/)) return "variableName";
    if (stream.match(/\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/)) return "number";
    if (stream.match(/\$\w+(?=\s*\()/)) return "keyword";
    if (stream.match(/\$+\w*/)) return "special";
    if (stream.match(/(?:and|or|in|true|false|null|function)\b/)) return "keyword";
    if (stream.match(/[A-Za-z_]\w*/)) return "variableName";
    stream.next();
    return null;
  },
  languageData: { closeBrackets: { brackets: ["(", "[", "{", '"', "`"] } },
  tokenTable: { special: tags.special(tags.variableName) },
});

/** Readable on light and on dark. */
export const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.string, color: "light-dark(#0a6b2d, #8fd7a3)" },
    { tag: tags.propertyName, color: "light-dark(#7a3e00, #f0b878)" },
    { tag: tags.number, color: "light-dark(#a1260d, #ffa38f)" },
    { tag: tags.keyword, color: "light-dark(#5b2a9d, #cbb2ff)" },
    { tag: tags.special(tags.variableName), color: "light-dark(#004d70, #7cc7f2)" },
    { tag: tags.comment, color: "light-dark(#56606a, #a3adb8)", fontStyle: "italic" },
  ]),
);
