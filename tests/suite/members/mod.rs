//! The members' policies: every combination as a table, and the stories that break simpler rules.

mod edges;
mod hung;
mod properties;
mod rebalance;
mod simpler;
mod table;

use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::members::Member;
use kaspr_core::poll::{Heard, Round, Run, Said, Silence, Word};
use kaspr_core::{Now, Uptime};

/// The pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(30);

fn at(second: u64) -> Now {
    let wall = Timestamp::from_second(1_900_000_000 + i64::try_from(second).unwrap()).unwrap();
    Now { wall, uptime: Uptime(second * 1_000) }
}

/// What a member says with these flags.
fn word(leader: bool, rebalancing: bool, recovering: bool) -> Said {
    Said::Known(Word {
        leader: Some(leader),
        rebalancing: Some(rebalancing),
        recovering: Some(recovering),
        topics: ["in".to_owned()].into(),
    })
}

fn silent() -> Said {
    Said::Silent(Silence::Timeout)
}

/// The run of a pod that said the same in these rounds, 30 s apart, the last of them now.
fn run(uid: &str, said: &Said, rounds: Round, now: u64) -> Run {
    let mut run = None;
    for round in 1..=rounds {
        let then = at(now - (rounds - round) * INTERVAL.as_secs());
        let heard = Heard { said: said.clone(), round, now: then };
        run = Some(Run::next(run, uid.to_owned(), heard, INTERVAL));
    }
    run.unwrap()
}

/// A Ready member whose pod was made long ago.
fn member(ordinal: i32, uid: &str, run: Option<Run>) -> Member {
    Member {
        installer: None,
        pod: format!("shop-app-{ordinal}"),
        ordinal,
        uid: uid.to_owned(),
        created: Some(at(0).wall),
        revision: "new".to_owned(),
        is_running: true,
        is_ready: true,
        is_leaving: false,
        run,
    }
}

/// The text of a table, reviewed: at most 150 lines.
fn reviewed(name: &str, about: &str, (lines, count): (Vec<String>, usize)) {
    assert!(lines.len() <= 150, "{name} has {} lines", lines.len());
    let text = format!("{about}\n{count} combinations\n\n{}\n", lines.join("\n"));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}
