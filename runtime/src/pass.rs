//! A pass over one key, and what is told of it.

use std::sync::atomic::{AtomicU64, Ordering};

use kaspr_engine::schedule::{After, Taken};
use kaspr_engine::{Passed, Site};

use crate::process::Process;
use crate::sensors::Fact;
use crate::sensors::fact::{LookFact, PassFact, PassResult, StepFact};
use crate::sensors::members::MembersFact;
use crate::sensors::packages::InstallationFact;

/// One pass over a key: what it asks of the queue.
pub async fn pass(taken: &Taken, process: &Process, decisions: &Decisions) -> After {
    let passed = kaspr_engine::pass(&taken.key, process).await;
    let decision = decisions.next();
    let fact = fact(taken, decision.clone(), &passed);
    let took = process.uptime().since(passed.snapshot.now.uptime);
    let Passed { snapshot, plan, after, .. } = passed;
    if process.is_recorded {
        let came = fact.steps.iter().map(|step| step.came.code().to_owned()).collect();
        process.tell.tell(Fact::Look(Box::new(LookFact { snapshot, plan, decision, came })));
    }
    process.tell.tell(Fact::Pass(Box::new(PassFact { took, ..fact })));
    after
}

fn fact(taken: &Taken, decision: String, passed: &Passed) -> PassFact {
    let Passed { snapshot, plan, .. } = passed;
    let fact = PassFact::of(taken, decision, snapshot, plan);
    let report = match &passed.report {
        Ok(report) => report,
        Err(broken) => {
            let result = PassResult::Defect(broken.clone());
            let members = MembersFact::of(snapshot, plan, &[]);
            return PassFact { members, notices: Vec::new(), result, ..fact };
        }
    };
    let steps = StepFact::all(plan, report);
    PassFact {
        due_to_request: (!report.sent.is_empty()).then(|| passed.acts_at.since(taken.due)),
        notices: report.said(plan).cloned().collect(),
        members: MembersFact::of(snapshot, plan, &steps),
        installation: InstallationFact::of(snapshot, plan, &steps),
        result: PassResult::of(&steps),
        steps,
        ..fact
    }
}

/// Numbers the decisions of this process, so that all that is said of one can be found together.
#[derive(Debug)]
pub struct Decisions {
    process: String,
    last: AtomicU64,
}

impl Decisions {
    /// Those of a process with this identity, whose last part tells it from the ones before.
    pub fn of(identity: &str) -> Self {
        let process = identity.rsplit_once('_').map_or(identity, |(_, own)| own).to_owned();
        Self { process, last: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        format!("{}-{number}", self.process)
    }
}
