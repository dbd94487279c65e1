// A program called `claude` for measurements: it prints so many messages in a second as its prompt says.
let prompt = "";
if (process.argv[2] === "--version") {
  console.log("2.1.329 (Claude Code)");
  process.exit(0);
}
for await (const part of process.stdin) prompt += part;
const [, perSecond, seconds] = /(\d+) a second for (\d+) s/.exec(prompt).map(Number);
const common = { session_id: "11111111-2222-3333-4444-555555555555", uuid: "u" };
const say = (message) => process.stdout.write(`${JSON.stringify({ ...message, ...common })}\n`);
say({ type: "system", subtype: "init", cwd: process.cwd(), tools: ["Bash"], mcp_servers: [], model: "claude-sonnet-4-5", permissionMode: "acceptEdits", apiKeySource: "none", claude_code_version: "2.1.329" });
const from = Date.now();
let said = 0;
const timer = setInterval(() => {
  const due = Math.min(perSecond * seconds, Math.floor(((Date.now() - from) * perSecond) / 1000));
  for (; said < due; said += 1) {
    const content = [{ type: "text", text: `message ${said} of many` }];
    say({ type: "assistant", message: { id: `m${said}`, type: "message", role: "assistant", model: "claude-sonnet-4-5", content, stop_reason: null, usage: { input_tokens: 1, output_tokens: 1 } }, parent_tool_use_id: null });
  }
  if (said < perSecond * seconds) return;
  clearInterval(timer);
  say({ type: "result", subtype: "success", is_error: false, num_turns: 1, result: "All was said.", duration_api_ms: 1, total_cost_usd: 0, usage: { input_tokens: 1, output_tokens: 1 }, modelUsage: {}, permission_denials: [], stop_reason: "end_turn", terminal_reason: "completed" });
}, 10);
