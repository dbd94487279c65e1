#!/usr/bin/env bash
# A program called `claude` that prints what the real one prints, and then behaves as its prompt says.
if [ "$1" = --version ]; then echo "2.1.329 (Claude Code)"; exit 0; fi
prompt=$(cat)
session=11111111-2222-3333-4444-555555555555
common="\"session_id\":\"$session\",\"uuid\":\"u\""
init() {
  echo "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"$PWD\",\"tools\":[\"Bash\"],\"mcp_servers\":[],\"model\":\"claude-sonnet-4-5\",\"permissionMode\":\"acceptEdits\",\"apiKeySource\":\"none\",\"claude_code_version\":\"2.1.329\",$common}"
}
block() { # id of the message, block
  echo "{\"type\":\"assistant\",\"message\":{\"id\":\"$1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[$2],\"stop_reason\":null,\"usage\":{\"input_tokens\":1200,\"output_tokens\":1}},\"parent_tool_use_id\":null,$common}"
}
text() { block "$1" "{\"type\":\"text\",\"text\":\"$2\"}"; }
call() { block "$1" "{\"type\":\"tool_use\",\"id\":\"$2\",\"name\":\"$3\",\"input\":$4}"; }
outcome() { # id, content, is_error, tool_use_result
  echo "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"$1\",\"type\":\"tool_result\",\"content\":\"$2\",\"is_error\":$3}]},\"parent_tool_use_id\":null,\"tool_use_result\":${4:-null},$common}"
}
result() { # answer
  echo "{\"duration_api_ms\":121,\"stop_reason\":\"end_turn\",\"total_cost_usd\":0.0144,\"usage\":{\"input_tokens\":4800,\"cache_read_input_tokens\":1600,\"output_tokens\":80},\"modelUsage\":{\"claude-sonnet-4-5\":{\"inputTokens\":4800,\"outputTokens\":80,\"cacheReadInputTokens\":1600,\"cacheCreationInputTokens\":0,\"costUSD\":0.0144}},\"permission_denials\":[],\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"num_turns\":4,\"result\":\"$1\",\"terminal_reason\":\"completed\",$common}"
}
retry() {
  echo "{\"type\":\"system\",\"subtype\":\"api_retry\",\"attempt\":1,\"max_retries\":10,\"retry_delay_ms\":5,\"error_status\":529,\"error\":\"overloaded\",$common}"
}
work() {
  init
  text m1 "I run the **tests**."
  call m1 t1 Bash '{"command":"npm test","description":"Run the tests"}'
  outcome t1 "7 passed" false '{"stdout":"7 passed","stderr":"","interrupted":false}'
  call m2 t2 Edit '{"file_path":"'"$PWD"'/a.txt","old_string":"old","new_string":"new"}'
  outcome t2 "done" false '{"filePath":"'"$PWD"'/a.txt","oldString":"old","newString":"new","originalFile":"old\n","structuredPatch":[{"oldStart":1,"oldLines":1,"newStart":1,"newLines":1,"lines":["-old","+new"]}]}'
  call m3 t3 Bash '{"command":"npm run lint"}'
  outcome t3 "Exit code 2\nlint is broken" true '"Error: Exit code 2"'
  text m4 "All tests pass."
}
case "$prompt" in
  *says-env*) env > env.txt; echo kept > "$TMPDIR/kept"; init; result "written" ;;
  *says-args*) printf '%s\n' "$@" > args.txt; printf '%s' "$prompt" > prompt.txt; init; result "written" ;;
  *writes-slowly*) work
    stream() { echo "{\"type\":\"stream_event\",\"event\":$1,\"parent_tool_use_id\":null,$common}"; }
    stream '{"type":"message_start","message":{"id":"m9","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[]}}'
    stream '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
    stream '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Half a sen"}}'
    exec sleep 1000 ;;
  *lingers*) work; result "All tests pass."; exec sleep 1000 ;;
  *falls-silent*) init; text m1 "I think."; exec sleep 1000 ;;
  *asks-permission*) init; call m1 t1 Bash '{"command":"rm -rf /"}'
    echo '{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"rm -rf /"}}}'
    exec sleep 1000 ;;
  *answers-in-commands*) init; result '\u001b]0;pwned\u0007\u001b[2Jfirst\nsecond' ;;
  *dies*) init; text m1 "I beg" ; exit 0 ;;
  *cut-off*) init; printf '{"type":"result","subtype":"succ'; exit 0 ;;
  *floods*) init; while :; do text m1 "again and again and again and again and again"; done ;;
  # Waits without starting anything, as a program does that waits for a service.
  *tries-for-ever*) init; exec 3<> <(:); while :; do retry; read -rt 0.05 -u 3; done ;;
  *leaves-children*) setsid sh -c 'echo > left; exec sleep 1000' > /dev/null 2>&1 &
    until [ -e left ]; do read -rt 0.01 -u 3; done 3<> <(:); work; result "I left." ;;
  *does-much*) init; call m0 t0 Bash "{\"command\":\"$(printf 'begin %s ' $(seq 100)) the-end-of-it\"}"
    outcome t0 "$(printf 'out %s ' $(seq 100)) the-end-of-that" false
    for n in $(seq 2600); do text "m$n" "thing number $n"; done; result "All was done." ;;
  *does-more-later*) init; for n in $(seq 1200); do text "m$n" "thing number $n"; done
    until [ -e go ]; do read -rt 0.01 -u 3; done 3<> <(:)
    for n in $(seq 1201 1400); do text "m$n" "thing number $n"; done; result "All was done." ;;
  *long-answer*) init; call m1 t1 Bash '{"command":"cat large"}'
    outcome t1 "$(printf 'x%.0s' $(seq 3000))" false; result "read" ;;
  *tells-secret*) init; call m1 t1 Bash "{\"command\":\"$(printf 'x%.0s' $(seq 20000))$DEPLOY_TOKEN\"}"
    outcome t1 "$(printf 'x%.0s' $(seq 1500))$DEPLOY_TOKEN$(printf 'y%.0s' $(seq 1500))" false
    result "it is $DEPLOY_TOKEN" ;;
  *) work; result "All tests pass." ;;
esac
