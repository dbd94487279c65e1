import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { visible } from "../../lib/ansi";
import { parseMarkdown, type Block, type Inline } from "../../lib/markdown";
import { memo } from "../memo";

/** Text of an agent. Every node is an element of ours; nothing of the text is taken as HTML. */
export const Markdown = memo(function Markdown({ text }: { text: string }): JSX.Element {
  const blocks = useMemo(() => parseMarkdown(visible(text)), [text]);
  return (
    <div class="md" dir="auto">
      {blocks.map(block)}
    </div>
  );
});

function block(b: Block, i: number): JSX.Element {
  switch (b.kind) {
    case "heading":
      // Levels below those of the page.
      return b.level <= 2 ? <h3 key={i}>{b.of.map(inline)}</h3> : <h4 key={i}>{b.of.map(inline)}</h4>;
    case "paragraph":
      return <p key={i}>{b.of.map(inline)}</p>;
    case "code":
      return (
        <pre key={i} class="code" dir="ltr" tabIndex={0}>
          {b.text}
        </pre>
      );
    case "quote":
      return <blockquote key={i}>{b.of.map(block)}</blockquote>;
    case "list": {
      const items = b.items.map((item, j) => (
        <li key={j} class={item.checked === undefined ? undefined : "task"}>
          {item.checked !== undefined && <span class="box">{item.checked ? "☑" : "☐"} </span>}
          {item.of.length === 1 && item.of[0]?.kind === "paragraph" ? item.of[0].of.map(inline) : item.of.map(block)}
        </li>
      ));
      return b.ordered ? (
        <ol key={i} start={b.start}>
          {items}
        </ol>
      ) : (
        <ul key={i}>{items}</ul>
      );
    }
    case "table":
      return (
        <div key={i} class="md-table" tabIndex={0}>
          <table>
            <thead>
              <tr>
                {b.head.map((cell, j) => (
                  <th key={j}>{cell.map(inline)}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {b.rows.map((row, j) => (
                <tr key={j}>
                  {row.map((cell, k) => (
                    <td key={k}>{cell.map(inline)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    case "rule":
      return <hr key={i} />;
  }
}

function inline(node: Inline, i: number): JSX.Element | string {
  switch (node.kind) {
    case "text":
      return node.text;
    case "code":
      return <code key={i}>{node.text}</code>;
    case "strong":
      return <strong key={i}>{node.of.map(inline)}</strong>;
    case "em":
      return <em key={i}>{node.of.map(inline)}</em>;
    case "del":
      return <del key={i}>{node.of.map(inline)}</del>;
    case "link":
      return (
        <a key={i} href={node.href} target="_blank" rel="noopener noreferrer nofollow" title={node.href}>
          {node.of.map(inline)}
        </a>
      );
  }
}
