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
task() { # subtype, more fields
  echo "{\"type\":\"system\",\"subtype\":\"$1\",$2,$common}"
}
server() { # A command in the background, and the answer.
  init
  call m1 t1 Bash '{"command":"sleep 1000","description":"Start the server","run_in_background":true}'
  task background_tasks_changed '"tasks":[{"task_id":"b1","task_type":"local_bash","description":"Start the server"}]'
  task task_started '"task_id":"b1","tool_use_id":"t1","description":"Start the server","is_backgrounded":true,"task_type":"local_bash"'
  outcome t1 "Command running in background with ID: b1." false
  text m2 "The server runs."
  result "The server runs."
}
scout() { # A sub-agent in the background, and the end of the turn.
  init
  call m1 t1 Agent '{"description":"look around","prompt":"Look around.","subagent_type":"general-purpose"}'
  task background_tasks_changed '"tasks":[{"task_id":"a1","task_type":"local_agent","description":"look around"}]'
  task task_started '"task_id":"a1","tool_use_id":"t1","description":"look around","is_backgrounded":true,"task_type":"local_agent"'
  outcome t1 "Async agent launched successfully." false
  text m2 "I will report when the scout is back."
  echo "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}},\"parent_tool_use_id\":null,$common}"
}
wakeup() { # When, in milliseconds of UTC.
  init
  call m1 t1 ScheduleWakeup '{"delaySeconds":1200,"reason":"waiting for CI","prompt":"check CI"}'
  outcome t1 "Next wakeup scheduled" false "{\"scheduledFor\":$1,\"clampedDelaySeconds\":1200,\"wasClamped\":false}"
  text m2 "I will look again."
  result "I will look again."
}
case "$prompt" in
  *shouts-at-terminal*) printf '\357\273\277'; init; printf '\033]0;{"title"}\a\033[?2004h'; text m1 "I think."
    printf '\033[2K%s\033[0m%s\n' "$(text m2 "I write.")" "$(text m3 "I am done.")"; printf '\033[?25h\n'; result "All is well."
    printf '\033[0m' ;;
  *has-trouble*) init | sed 's/"mcp_servers":\[\]/"mcp_servers":[{"name":"github","status":"failed"},{"name":"linear","status":"needs-auth"}]/'
    echo "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"allowed_warning\",\"rateLimitType\":\"seven_day\",\"utilization\":0.92},$common}"
    task permission_denied '"tool_use_id":"t9","tool_name":"Bash","message":"not here"'
    echo "Ignoring permissions.allow: this workspace is not trusted" >&2
    text m1 "I could not."; result "I could not." ;;
  *scouts*) init
    for n in 1 2; do
      call m1 t$n Agent "{\"description\":\"scout $n\",\"prompt\":\"Look.\"}"
      task task_started "\"task_id\":\"a$n\",\"tool_use_id\":\"t$n\",\"description\":\"scout $n\",\"is_backgrounded\":true,\"task_type\":\"local_agent\""
      outcome t$n "Async agent launched successfully." false
    done
    for n in 1 2; do
      call m5$n u$n Bash '{"command":"ls"}' | sed "s/\"parent_tool_use_id\":null/\"parent_tool_use_id\":\"t$n\"/"
      outcome u$n "a" false
      task task_notification "\"task_id\":\"a$n\",\"tool_use_id\":\"t$n\",\"status\":\"completed\",\"summary\":\"found $n\""
    done
    text m9 "Both are back."; result "Both are back." ;;
  *surveys*) init
    n=0; while [ $n -lt 40 ]; do n=$((n+1))
      call m$n t$n Agent "{\"description\":\"part $n\",\"prompt\":\"Look.\"}"
      task task_started "\"task_id\":\"a$n\",\"tool_use_id\":\"t$n\",\"description\":\"part $n\",\"is_backgrounded\":true,\"task_type\":\"local_agent\""
      outcome t$n "Async agent launched successfully." false
    done
    n=0; while [ $n -lt 40 ]; do n=$((n+1))
      call k$n u$n Bash "{\"command\":\"grep $n\"}" | sed "s/\"parent_tool_use_id\":null/\"parent_tool_use_id\":\"t$n\"/"
      outcome u$n "a" false
    done
    until [ -e go ]; do read -rt 0.01 -u 3; done 3<> <(:)
    n=0; while [ $n -lt 40 ]; do n=$((n+1)); how=completed; if [ $n = 7 ]; then how=stopped; fi
      task task_notification "\"task_id\":\"a$n\",\"tool_use_id\":\"t$n\",\"status\":\"$how\",\"summary\":\"found $n\""
    done
    text m99 "All are back."; result "All are back." ;;
  *asks-a-person*) init
    call m1 q1 AskUserQuestion '{"questions":[{"question":"Which database?"}]}'
    outcome q1 "Error: no user" true
    text m2 "I need to know which database."; result "I need to know which database." ;;
  *follows-script*) . "$PWD/${prompt##*follows-script }" ;;
  *ends-oddly*) init; text m1 "All done."; result "All done."
    echo "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,\"num_turns\":0,\"total_cost_usd\":0,\"errors\":[\"only prompt commands are supported\"],$common}" ;;
  *leaves-server*) server; exec sleep 1000 ;;
  *server-works*) server; n=0; while [ $n -lt 600000 ]; do n=$((n+1)); done; echo > worked; exec sleep 1000 ;;
  *scout-killed*) scout
    task task_updated '"task_id":"a1","patch":{"status":"killed"}'
    task task_notification '"task_id":"a1","tool_use_id":"t1","status":"stopped","summary":"look around"'
    result "I will report when the scout is back." ;;
  *scout-returns*) scout
    task task_notification '"task_id":"a1","tool_use_id":"t1","status":"failed","summary":"it found nothing"'
    init; text m3 "The scout failed, so I looked myself."; result "I will report when the scout is back."; result "The scout failed, so I looked myself." ;;
  *scout-works*) scout; exec sleep 1000 ;;
  *sleeps-till-woken*) wakeup 1796014980000; until [ -e go ]; do read -rt 0.01 -u 3; done 3<> <(:)
    echo "{\"type\":\"command_lifecycle\",\"command_uuid\":\"c\",\"state\":\"started\",\"wakeup_source\":\"loop_wakeup\",$common}"
    init; text m3 "CI is green."; result "CI is green."
    echo "{\"type\":\"command_lifecycle\",\"command_uuid\":\"c\",\"state\":\"completed\",$common}" ;;
  *never-wakes*) wakeup 1796014980000; exec sleep 1000 ;;
  *forgets-to-wake*) wakeup 1796014980000 ;;
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
