//! `run`: steps and checks that are a script in one line.

use serde_json::Value;

use crate::env::TestEnv;

#[test]
fn a_line_is_a_step_and_a_check() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        env.write(
            "flow.yaml",
            "name: lines\nversion: \"1\"\ntimeout: 1m\nsteps:\n  make:\n    run: echo x >> made; wc -l < made\n    \
             max_iterations: 3\n    completion_check:\n      run: '[ $(wc -l < made) -ge 2 ] || exit 1'\n  ship:\n    run: |\n      \
             cat made\n      echo shipped\n    depends_on: [make]\n",
        );
        let printed = env.roboppi(["workflow", "validate", "--strict", "flow.yaml"]).output().code(0).all();
        assert!(!printed.contains("warning"), "{printed}");
        let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", mode]).output().code(0);
        let run = env.the_run();
        assert_eq!(run.text("ship", 1), "x\nx\nshipped\n");
        let steps = &run.events("run_started")[0]["steps"];
        assert_eq!((&steps[0]["worker"], &steps[0]["check"]), (&"CUSTOM".into(), &"CUSTOM".into()));
        // Written in full it is the same step, so its result is kept.
        env.write(
            "flow.yaml",
            "name: lines\nversion: \"1\"\ntimeout: 1m\nsteps:\n  make:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    \
             instructions: echo x >> made; wc -l < made\n    max_iterations: 3\n    completion_check:\n      run: '[ $(wc -l < \
             made) -ge 2 ] || exit 1'\n  ship:\n    run: exit 0\n    depends_on: [make]\n",
        );
        let dry = ["workflow", "run", "flow.yaml", "--resume", "-1", "--dry-run", "--output", "json"];
        let plan: Value = serde_json::from_str(&env.roboppi(dry).output().code(0).text()).unwrap();
        let kept = |step: usize| plan["steps"][step]["keep"].as_bool().unwrap();
        assert_eq!((kept(0), kept(1)), (true, false), "{plan}");
    }
}

#[test]
fn an_agent_has_no_script() {
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a:\n    worker: CLAUDE_CODE\n    run: make\n",
    );
    let printed = env.roboppi(["workflow", "validate", "flow.yaml"]).output().code(2).all();
    assert!(printed.contains("`steps.a.run` is a script, which `CLAUDE_CODE` does not run"), "{printed}");
}
