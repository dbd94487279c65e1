import type { JSX } from "preact";
import { searchWords } from "../../state/search";
import { Icon } from "../icons";
import { Copy } from "../parts";
import type { LogSearch } from "./use-search";

interface Props {
  search: LogSearch;
  all: boolean;
  setAll: (all: boolean) => void;
  wrap: boolean;
  toggleWrap: () => void;
  times: boolean;
  toggleTimes: () => void;
  shown: boolean;
  toggleShown: () => void;
  copy: () => string;
  download: (format: "text" | "json" | "raw") => string | undefined;
  move: (forward: boolean) => void;
}

export function LogTools(props: Props): JSX.Element {
  const { search } = props;
  return (
    <div class="log-tools" role="toolbar" aria-label="Log">
      <span class="log-search">
        <input
          ref={search.input}
          type="search"
          aria-label="Search the whole log"
          placeholder={props.all ? "Search all steps" : "Search the whole log"}
          spellcheck={false}
          onKeyDown={(e) => {
            if (e.key === "Enter") {
              const q = e.currentTarget.value;
              if (search.search?.q === q) props.move(!e.shiftKey);
              else search.run(q);
            } else if (e.key === "Escape") {
              search.clear();
              e.currentTarget.blur();
            } else if (e.key === "r" && e.ctrlKey) {
              e.preventDefault();
              search.setRegex(!search.regex);
            }
          }}
          onInput={(e) => e.currentTarget.value === "" && search.clear()}
        />
        <button type="button" class="quiet" aria-pressed={search.regex} title="Regular expression (Ctrl-R while typing)" onClick={() => search.setRegex(!search.regex)}>
          .*
        </button>
      </span>
      {search.search && (
        <span class="log-hits">
          <span class="num secondary" role="status" data-testid="hits">
            {searchWords(search.search, search.index)}
          </span>
          <button type="button" class="quiet" aria-label="Previous match" title="Previous match (N)" onClick={() => props.move(false)}>
            ↑
          </button>
          <button type="button" class="quiet" aria-label="Next match" title="Next match (n)" onClick={() => props.move(true)}>
            ↓
          </button>
          <button type="button" class="quiet" aria-pressed={search.only} title="Only matching lines (&)" onClick={() => search.setOnly(!search.only)}>
            only these
          </button>
        </span>
      )}
      <span class="grow" />
      <span class="log-switches">
        <button type="button" class="quiet" aria-pressed={props.all} title="The log of all steps on one page (a)" onClick={() => props.setAll(!props.all)}>
          All steps
        </button>
        <button type="button" class="quiet" aria-pressed={props.wrap} title="Wrap long lines (w)" onClick={props.toggleWrap}>
          Wrap
        </button>
        <button type="button" class="quiet" aria-pressed={props.times} title="Time of each line (t)" onClick={props.toggleTimes}>
          Times
        </button>
        <Copy text={() => window.getSelection()?.toString() || props.copy()} />
        <Download url={props.download} />
        <button type="button" class="quiet" aria-expanded={props.shown} onClick={props.toggleShown}>
          {props.shown ? "Hide" : "Show"}
        </button>
      </span>
    </div>
  );
}

function Download({ url }: { url: Props["download"] }): JSX.Element | null {
  if (url("text") === undefined) return null;
  return (
    <details class="menu">
      <summary class="button quiet">
        Download <Icon name="down" />
      </summary>
      <ul>
        {(["text", "json", "raw"] as const).map((format) => (
          <li key={format}>
            <a class="button quiet" href={url(format)} download onClick={(e) => e.currentTarget.closest("details")?.removeAttribute("open")}>
              {{ text: "Text, without colours", json: "JSON, a line each", raw: "Raw bytes" }[format]}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}
