/** Text of a worker as spans with colours. Only SGR sequences have an effect; every other control sequence is left out. */

export interface Span {
  text: string;
  /** Classes of the stylesheet: `a-fg1`, `a-b` … */
  cls: string;
  /** Hue and saturation of a colour outside the 16 of the theme; the theme chooses the lightness. */
  fg?: { h: number; s: number };
  bg?: { h: number; s: number };
}

type Colour = { theme: number } | { h: number; s: number } | undefined;

interface Style {
  fg: Colour;
  bg: Colour;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  reverse: boolean;
}

const PLAIN: Style = {
  fg: undefined,
  bg: undefined,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  reverse: false,
};

// CSI …; OSC, DCS, SOS, PM, APC up to their terminator; two-byte escapes; single C1 and C0 controls but tab.
// eslint-disable-next-line no-control-regex
const CONTROL =
  /\x1b\[([0-9;:<=>?]*)([ -/]*)([@-~])|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]?|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]/g;

/** Characters that would turn the direction of the text around them, or hide text. */
const INVISIBLE = /[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

export function visible(text: string): string {
  return text.replace(INVISIBLE, (c) => `‹U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}›`);
}

export function stripAnsi(text: string): string {
  return text.replace(CONTROL, "");
}

export function parseAnsi(text: string): Span[] {
  const spans: Span[] = [];
  let style = PLAIN;
  let at = 0;
  const push = (part: string): void => {
    if (part !== "") spans.push(toSpan(visible(part), style));
  };
  for (const match of text.matchAll(CONTROL)) {
    push(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[3] === "m" && match[2] === "" && !/[<=>?]/.test(match[1] ?? "")) style = sgr(style, match[1] ?? "");
  }
  push(text.slice(at));
  return spans;
}

function toSpan(text: string, style: Style): Span {
  const [fg, bg] = style.reverse ? [style.bg, style.fg] : [style.fg, style.bg];
  const cls: string[] = [];
  const span: Span = { text, cls: "" };
  if (style.reverse && fg === undefined) cls.push("a-rfg");
  if (style.reverse && bg === undefined) cls.push("a-rbg");
  if (fg !== undefined) {
    if ("theme" in fg) cls.push(`a-fg${fg.theme}`);
    else {
      cls.push("a-fgx");
      span.fg = fg;
    }
  }
  if (bg !== undefined) {
    if ("theme" in bg) cls.push(`a-bg${bg.theme}`);
    else {
      cls.push("a-bgx");
      span.bg = bg;
    }
  }
  if (style.bold) cls.push("a-b");
  if (style.dim) cls.push("a-d");
  if (style.italic) cls.push("a-i");
  if (style.underline) cls.push("a-u");
  if (style.strike) cls.push("a-s");
  span.cls = cls.join(" ");
  return span;
}

function sgr(before: Style, parameters: string): Style {
  let style = before;
  const codes = (parameters === "" ? "0" : parameters).split(/[;:]/).map((p) => (p === "" ? 0 : Number(p)));
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1));
      i += used;
      if (colour !== undefined) style = code === 38 ? { ...style, fg: colour } : { ...style, bg: colour };
    } else style = simple(style, code);
  }
  return style;
}

function simple(style: Style, code: number): Style {
  if (code >= 30 && code <= 37) return { ...style, fg: { theme: code - 30 } };
  if (code >= 90 && code <= 97) return { ...style, fg: { theme: code - 82 } };
  if (code >= 40 && code <= 47) return { ...style, bg: { theme: code - 40 } };
  if (code >= 100 && code <= 107) return { ...style, bg: { theme: code - 92 } };
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { ...style, bold: true };
    case 2:
      return { ...style, dim: true };
    case 3:
      return { ...style, italic: true };
    case 4:
      return { ...style, underline: true };
    case 7:
      return { ...style, reverse: true };
    case 9:
      return { ...style, strike: true };
    case 22:
      return { ...style, bold: false, dim: false };
    case 23:
      return { ...style, italic: false };
    case 24:
      return { ...style, underline: false };
    case 27:
      return { ...style, reverse: false };
    case 29:
      return { ...style, strike: false };
    case 39:
      return { ...style, fg: undefined };
    case 49:
      return { ...style, bg: undefined };
    default:
      return style;
  }
}

/** `5;n` or `2;r;g;b` after 38 or 48: the colour, and how many numbers belong to it. */
function extended(rest: number[]): [Colour, number] {
  if (rest[0] === 5) return [palette(rest[1] ?? 0), 2];
  if (rest[0] === 2) return [hue(rest[1] ?? 0, rest[2] ?? 0, rest[3] ?? 0), 4];
  return [undefined, 0];
}

function palette(n: number): Colour {
  if (n < 16) return { theme: n };
  if (n >= 232) return { h: 0, s: 0 };
  const level = (v: number): number => (v === 0 ? 0 : 55 + v * 40);
  const cube = n - 16;
  return hue(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function hue(r: number, g: number, b: number): Colour {
  const max = Math.max(r, g, b) / 255;
  const min = Math.min(r, g, b) / 255;
  const span = max - min;
  if (span < 0.04) return { h: 0, s: 0 };
  const [R, G, B] = [r / 255, g / 255, b / 255];
  const raw = max === R ? ((G - B) / span) % 6 : max === G ? (B - R) / span + 2 : (R - G) / span + 4;
  return { h: Math.round((raw * 60 + 360) % 360), s: Math.round(Math.min(1, span / Math.max(max, 0.01)) * 85) };
}
