// Words that this project does not use: old, regional or ambiguous ones that a reader would have to translate.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { test } from "node:test";
import { root } from "../lib/paths.mjs";

/** Files and folders that are checked. */
const checked = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "crates", "bench", "fuzz", "scaling", "examples", "scripts", "e2e", "Makefile", "deploy"];
/** Pages that speak to visitors, who say "Nobody has said hi yet", and the tests that read those words. */
const exempt = [
  "crates/presence-demo/assets/style.css", "crates/presence-demo/templates/lightbulb_label.html", "crates/presence-demo/templates/wall.html",
  "crates/presence-demo/tests/clicks.rs", "examples/shop/templates/page.html", "e2e/tests/examples.test.mjs",
];

const texts = [".md", ".rs", ".mjs", ".js", ".html", ".css", ".svg", ".json", ".toml", ".sh", ".rb", ".ru", ""];
const generated = /(^|\/)(package-lock\.json|Cargo\.lock|words\.json|sentences\.json|words\.test\.mjs)$/;

/** What is not written, and what is written instead. A space stands for any white space, a line break included. */
const words = [
  [/\banew\b/, "again"],
  [/\bseldom(er)?\b/, "rarely, less often"],
  [/\bwhom\b/, "(rewrite the sentence)"],
  [/\bnobody('s)?\b/, "no one, no …"],
  [/\bno more\b(?! than\b)/, "no longer, at most"],
  [/\bso (many|much|long|often)\b(?![^.;:]{0,40} (that|as)\b)/, "this many, that long, at most N"],
  [/\bthe same so\b|\basked so\b|\bbegins so\b/, "this way, with this prefix"],
  [/(?<!(visitors?|users?|members?|people|person|one|those) )\bwho (comes|goes)\b/, "a visitor who joins, leaves"],
  [/\b(of|to|for|from|by|with|than) who (?!is (here|looking)\b)/, "(name the person: a visitor, the user)"],
  [/(?<=(^|[.:;]) )Who (is|has|was|had|can|does|asks|misses|needs|listens|leaves|joins|left|came)\b(?! (here|looking))(?![^.]*\?)/, "(name the person: a visitor, the user)"],
  [/\bby (it|them)sel(f|ves)\b/, "automatically, (leave it out)"],
  [/\bof (before|then)\b/, "the earlier …"],
  [/\b(how )?all is\b/, "the state of …"],
  [/\ba handful\b/, "a few, N"],
  [/\bwithout a word\b/, "without a message"],
  [/\bwhat of (the|a|their|its|it|them)\b/, "the part of, which of"],
].map(([pattern, better]) => [new RegExp(pattern.source.replaceAll(" ", "\\s+"), pattern.source.includes("Who") ? "g" : "gi"), better]);

/** The text on one line, each character where it was; words of a name and the lines of a comment follow each other. */
function flat(text) {
  return text.replaceAll(/\n[ \t]*(\/\/[/!]?|\*|#|>|--)?/g, (mark) => " ".repeat(mark.length)).replaceAll("_", " ");
}

function found(text) {
  const line = flat(text);
  return words.flatMap(([pattern, better]) =>
    [...line.matchAll(pattern)].map(({ 0: match, index }) => ({ match, better, line: text.slice(0, index).split("\n").length })));
}

const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...checked], { cwd: root, encoding: "utf8" })
  .split("\0").filter((file) => file && texts.includes(extname(file)) && !exempt.includes(file) && !generated.test(file));

test("no file uses a word of the list", () => {
  assert.ok(files.length > 30);
  const lines = files.flatMap((file) => found(readFileSync(join(root, file), "utf8")).map(({ match, better, line }) => `${file}:${line}: "${match}"; write: ${better}`));
  assert.equal(lines.length, 0, `\n${lines.join("\n")}\n`);
});

test("the list finds each word, also in names and across lines, and nothing else", () => {
  const no = [
    "it is drawn anew", "fn stamp_anew()", "Seldom:", "to whom", "Nobody's", "it is there\n// no more.", "so many rooms", "so\n    /// often",
    "Who comes is told", "known to who has the key", "Rooms. Who misses something asks.", "reconnects by itself", "the table of before", "how all is",
    "what of it is drawn",
  ];
  for (const text of no) assert.equal(found(text).length, 1, text);
  const yes = [
    "no more than 5", "so many that it fails", "for so long, or so often, that it stops", "See who is looking at a page.", "visitors who join", "whoever has the key",
    "Who is looking, on any page", "a visitor who goes to another page", "before that, of the table",
  ];
  for (const text of yes) assert.deepEqual(found(text), [], text);
});
