//! The budget of a run, as the command line has it.

use roboppi_ipc::{AgentOption, WorkerKind};
use roboppi_workflow::{Dollars, Workflow};

use super::RunArgs;
use crate::exit::Failure;
use crate::terminal;

/// Puts the budgets of the options in place of those of the file. One that no agent reports anything for is refused.
pub(super) fn set(args: &RunArgs, workflow: &mut Workflow) -> Result<(), Failure> {
    if let Some(tokens) = args.max_tokens {
        workflow.budget.max_tokens = Some(u64::from(tokens));
    }
    let Some(cost) = args.max_cost.and_then(Dollars::new) else { return Ok(()) };
    workflow.budget.max_cost = Some(cost);
    let workers =
        workflow.steps.iter().flat_map(|(id, step)| step.tasks().map(move |task| (id, task.worker)));
    let agents = workers.filter(|(_, worker)| *worker != WorkerKind::CUSTOM);
    let (silent, heard): (Vec<_>, Vec<_>) =
        agents.partition(|(_, worker)| AgentOption::MaxCost.instead_with(*worker).is_some());
    match silent.first() {
        None => Ok(()),
        Some(_) if heard.is_empty() => {
            let failure =
                Failure::usage("--max-cost cannot be kept: no agent of the workflow reports what it costs");
            Err(failure.hint("--max-tokens limits its tokens instead, which every agent reports"))
        }
        Some((step, _)) => {
            let more =
                if silent.len() > 1 { format!(" and {} more", silent.len() - 1) } else { String::new() };
            terminal::note(&format!(
                "roboppi: warning: --max-cost counts nothing of `{step}`{more}: they do not report what they cost"
            ));
            Ok(())
        }
    }
}
