//! What a run does: a workflow expanded to nodes that wait for each other.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;
use roboppi_run::{Role, StepPath, StepPlan};

use crate::budget::Budget;
use crate::definition::{OnExhausted, Step, Workflow};

/// Steps that a workflow file may have, and nodes that a plan may grow to.
pub const MOST_STEPS: usize = 250_000;

/// What a run does. A file may say it in fewer words than there are nodes, and a plan may grow while its run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long the run may take.
    pub timeout: Duration,
    /// Attempts at a time, at least 1.
    pub concurrency: u32,
    /// What all agents may use up together.
    pub budget: Budget,
    nodes: IndexMap<StepPath, Arc<Node>>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its path; no two nodes of a plan have the same.
    pub path: StepPath,
    /// What its attempts are for. Nothing is scheduled differently because of it.
    pub role: Role,
    /// What is done. The steps it depends on and takes inputs from are paths of nodes.
    pub step: Arc<Step>,
    /// Whether it is done until it is complete; `None` for once.
    pub repeat: Option<Repeat>,
}

/// How a node is repeated: after each iteration it is decided whether it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Iterations at most, at least 1; `None` without a limit.
    pub max_iterations: Option<u32>,
    /// Whether an attempt with the role `check` runs before that is decided.
    pub checked: bool,
    /// What follows when the last iteration is not complete either.
    pub on_exhausted: OnExhausted,
}

/// The plan of a workflow: one node for each step, in the order of the file.
#[must_use]
pub fn expand(workflow: &Workflow) -> Plan {
    let nodes = workflow.steps.iter().map(|(path, step)| Node {
        path: path.clone(),
        role: Role::Work,
        step: Arc::clone(step),
        repeat: step.check.as_ref().map(|check| Repeat {
            max_iterations: Some(check.max_iterations),
            checked: true,
            on_exhausted: check.on_exhausted,
        }),
    });
    Plan { budget: workflow.budget, ..Plan::new(workflow.timeout, workflow.attempts_at_a_time(), nodes) }
}

impl Plan {
    /// A plan of these nodes. `concurrency` is attempts at a time.
    pub fn new(timeout: Duration, concurrency: u32, nodes: impl IntoIterator<Item = Node>) -> Self {
        let nodes = nodes.into_iter().map(|node| (node.path.clone(), Arc::new(node)));
        Self { timeout, concurrency, budget: Budget::default(), nodes: nodes.collect() }
    }

    /// The node of a path.
    #[must_use]
    pub fn node(&self, path: &StepPath) -> Option<&Arc<Node>> {
        self.nodes.get(path)
    }

    /// All nodes; those that are ready start in this order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Arc<Node>> + Clone {
        self.nodes.values()
    }

    /// Which node waits for which: the one that waits comes second.
    pub fn edges(&self) -> impl Iterator<Item = (&StepPath, &StepPath)> {
        self.nodes().flat_map(|node| node.step.depends_on.iter().map(|before| (before, &node.path)))
    }

    /// Adds nodes behind those there are. One whose path is taken is left out: who extends a plan asks the
    /// [`RunMachine`](crate::RunMachine) first, which refuses it.
    pub fn extend(&mut self, nodes: impl IntoIterator<Item = Arc<Node>>) {
        for node in nodes {
            self.nodes.entry(node.path.clone()).or_insert(node);
        }
    }

    /// What is recorded of each node before it runs.
    #[must_use]
    pub fn step_plans(&self) -> Vec<Arc<StepPlan>> {
        self.nodes().map(|node| Arc::new(node.step_plan())).collect()
    }
}

impl Node {
    /// What an attempt with this role does: the work of the step, or its check.
    #[must_use]
    pub fn task(&self, role: Role) -> &Arc<Step> {
        match &self.step.check {
            Some(check) if role == Role::Check => &check.work,
            _ => &self.step,
        }
    }

    /// The kind that views show: that of its worker, or `WORKFLOW` for a step that runs a workflow.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        let own = self.step.call.as_ref().and_then(|_| WorkerKind::new(StepPlan::WORKFLOW).ok());
        own.unwrap_or(self.step.worker)
    }

    /// What is recorded of it before it runs.
    #[must_use]
    pub fn step_plan(&self) -> StepPlan {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        StepPlan {
            step: self.path.clone(),
            worker: self.kind(),
            depends_on: self.step.depends_on.clone(),
            description: self.step.description.clone(),
            timeout_ms: self.step.timeout.map(millis),
            max_attempts: self.step.max_attempts(),
            max_iterations: self.repeat.and_then(|repeat| repeat.max_iterations),
            role: self.role,
            check: self.step.check.as_ref().map(|check| check.work.worker),
            host: self
                .step
                .host
                .as_ref()
                .map(|host| roboppi_run::HostId::from(host.to_string()))
                .unwrap_or_default(),
        }
    }
}
