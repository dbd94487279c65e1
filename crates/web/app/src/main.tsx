import { render } from "preact";
import { AppContext } from "./app";
import { createApp } from "./create";
import { applyTheme, savedTheme } from "./lib/theme";
import { openSource } from "./source/open";
import { Shell } from "./ui/shell";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/runs.css";
import "./styles/run.css";
import "./styles/log.css";
import "./styles/activity.css";
import "./styles/stats.css";

applyTheme(savedTheme());
const root = document.getElementById("app");
if (root) {
  const app = createApp(openSource());
  render(
    <AppContext.Provider value={app}>
      <Shell />
    </AppContext.Provider>,
    root,
  );
}
